// Asks the browser for a passkey when its form is sent, and sends what the browser answers with it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("passkey");
  if (form === null) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fault = document.getElementById("passkey-fault");
    fault.textContent = "";
    try {
      const told = JSON.parse(form.dataset.options);
      const credential =
        form.dataset.passkey === "get"
          ? await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(told) })
          : await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(told) });
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      fault.textContent = "The browser gave no passkey: " + error.message;
    }
  });
});
