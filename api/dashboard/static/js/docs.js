// The page /docs: Swagger UI shows /openapi.json and sends requests to this exchange.

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  // The default would send the document to a server elsewhere.
  validatorUrl: null,
  // A key stays in the memory of this page, never in its storage.
  persistAuthorization: false,
});
