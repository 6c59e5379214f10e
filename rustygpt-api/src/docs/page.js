// Fetches the OpenAPI document with the key that a person types, and has Swagger UI show it. The
// key stays in this page's memory and is gone with it.
"use strict";

const form = document.querySelector("form");
const field = document.querySelector("#key");
const message = document.querySelector("[role=alert]");

async function show(key) {
  const answer = await fetch("openapi.json", { headers: { Authorization: `Bearer ${key}` } });
  const body = await answer.json();
  if (!answer.ok) {
    throw new Error(body.error.message);
  }
  form.hidden = true;
  field.value = "";
  const ui = SwaggerUIBundle({
    spec: body,
    dom_id: "#swagger-ui",
    // Otherwise the document is sent to a server of Swagger's.
    validatorUrl: null,
    // Requests that are tried out bear the key.
    onComplete: () => ui.preauthorizeApiKey("key", key),
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  message.textContent = "";
  show(field.value.trim()).catch((error) => {
    message.textContent = error.message;
  });
});
