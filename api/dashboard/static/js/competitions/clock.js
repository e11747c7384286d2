// The time left until a timestamp, and how people read it.

export function leftMs(timestamp) {
  return timestamp ? Math.max(Date.parse(timestamp) - Date.now(), 0) : null;
}

export function minutes(ms) {
  if (ms === null) return "";
  const seconds = Math.ceil(ms / 1000);
  const text = `${Math.floor(seconds / 60) % 60}`.padStart(2, "0") + ":" + `${seconds % 60}`.padStart(2, "0");
  return seconds < 3600 ? text : `${Math.floor(seconds / 3600)}:${text}`;
}
