"""Content types and file extensions of compressed formats, which are not worth compressing again.

The content type decides; the extension does where the type is missing or generic. Pure.
"""

from typing import Final

_GENERIC: Final = ("", "application/octet-stream", "binary/octet-stream")

_TYPES: Final = frozenset(
    (
        *("application/zip", "application/gzip", "application/x-gzip", "application/x-bzip2"),
        *("application/x-xz", "application/zstd", "application/x-7z-compressed"),
        *("application/vnd.rar", "application/x-rar-compressed", "application/java-archive"),
        *("application/epub+zip", "application/vnd.android.package-archive"),
        *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic"),
        *("image/jxl", "font/woff", "font/woff2"),
        *("audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/opus", "audio/webm"),
        "audio/flac",
    )
)
# Office documents are ZIP files.
_PREFIXES: Final = (
    *("video/", "application/vnd.openxmlformats-officedocument."),
    "application/vnd.oasis.opendocument.",
)
_EXTENSIONS: Final = frozenset(
    (
        *("zip", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "jar", "apk", "whl", "epub"),
        *("jpg", "jpeg", "png", "gif", "webp", "avif", "heic", "jxl", "woff", "woff2"),
        *("mp3", "m4a", "aac", "ogg", "opus", "flac", "mp4", "m4v", "mov", "webm", "mkv", "avi"),
        *("docx", "xlsx", "pptx", "odt", "ods", "odp"),
    )
)


def is_compressed(content_type: str, name: str) -> bool:
    """Whether an item with this Content-Type and member name is already compressed."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _GENERIC:
        return name.rpartition(".")[2].lower() in _EXTENSIONS
    return kind in _TYPES or kind.startswith(_PREFIXES)
