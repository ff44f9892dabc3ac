"""The one way to make anything: a request that holds all a result depends on, its frames, its result."""

from studio.generation.building import branch_request, check, free_request, picture_request, text_request
from studio.generation.keeping import filled_picture, parameters_of, read_request, save_picture
from studio.generation.request import (
    FreeSource,
    GenerationRequest,
    Options,
    PackedArray,
    PictureSource,
    TextSource,
)
from studio.generation.running import Denoiser, Result, finish, generate, parts_of, pictures_of, text_pieces, texts_of
from studio.generation.tokenizers import picture_tokenizer, text_tokenizer

__all__ = [
    "Denoiser",
    "FreeSource",
    "GenerationRequest",
    "Options",
    "PackedArray",
    "PictureSource",
    "Result",
    "TextSource",
    "branch_request",
    "check",
    "filled_picture",
    "finish",
    "free_request",
    "generate",
    "parameters_of",
    "parts_of",
    "picture_request",
    "picture_tokenizer",
    "pictures_of",
    "read_request",
    "save_picture",
    "text_pieces",
    "text_request",
    "text_tokenizer",
    "texts_of",
]
