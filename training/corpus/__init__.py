"""The corpus of the starter model: generators whose every text was written for this project."""
