"""What runs a model on this machine: llama.cpp for GGUF files on a CPU, torch for everything that looks inside."""
