"""All sorts of bad input for a server: requests from its OpenAPI document, pictures, texts."""
