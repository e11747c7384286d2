// The last part of a path; one that is not well encoded names nothing, and is taken as it is.

export function lastPart(path) {
  const part = path.split("/").pop();
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
