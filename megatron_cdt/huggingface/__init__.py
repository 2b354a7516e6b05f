"""The door to Hugging Face folders: config.json and safetensors in, the same bits out."""
