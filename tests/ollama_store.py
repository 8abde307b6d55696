"""An Ollama store, laid out on disk as Ollama does it."""

import hashlib
import json
import os
from pathlib import Path

DOCKER = "application/vnd.docker"
IMAGE = "application/vnd.ollama.image"


class OllamaStore:
    """Writes models the way `ollama pull` leaves them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blob(self, data: bytes | Path) -> dict[str, object]:
        """Put a layer in place; a file is linked, so that its inode stays. Digest and size, as manifests have them."""
        content = data.read_bytes() if isinstance(data, Path) else data
        digest = hashlib.sha256(content).hexdigest()
        path = self.path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if isinstance(data, Path):
                os.link(data, path)
            else:
                path.write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def path_of(self, digest: object) -> Path:
        """Where the blob of a digest lies."""
        return self.root / "blobs" / f"sha256-{str(digest).removeprefix('sha256:')}"

    def add(self, name: str, *, registry: str = "registry.ollama.ai", **layers: bytes | Path) -> Path:
        """Write a manifest and its layers; `name` is `namespace/model:tag`. The model's blob, or the manifest."""
        stored = {kind: self.blob(data) for kind, data in layers.items()}
        manifest = self.manifest(name, registry)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "schemaVersion": 2,
            "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
            "config": {"mediaType": f"{DOCKER}.container.image.v1+json", **self.blob(b'{"model_format":"gguf"}')},
            "layers": [{"mediaType": f"{IMAGE}.{kind}", **layer} for kind, layer in stored.items()],
        }
        manifest.write_text(json.dumps(document), encoding="utf-8")
        return self.path_of(stored["model"]["digest"]) if "model" in stored else manifest

    def manifest(self, name: str, registry: str = "registry.ollama.ai") -> Path:
        """Where the manifest of a name lies."""
        path, _, tag = name.partition(":")
        return self.root / "manifests" / registry / path / tag
