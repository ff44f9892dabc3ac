"""The one way to make anything: a request that holds all a result depends on, its frames, its result."""

from studio.generation.building import branch_request, check, free_request, picture_request, text_request
from studio.generation.keeping import (
    filled_picture,
    parameters_of,
    read_request,
    read_text_request,
    save_picture,
)
from studio.generation.request import (
    FreeSource,
    GenerationRequest,
    Options,
    PackedArray,
    PictureSource,
    TextSource,
)
from studio.generation.running import Result, finish, generate, parts_of, pictures_of
from studio.generation.texts import Alternative, alternatives, plan_of, story_of, text_pieces, texts_of, words_of
from studio.generation.tokenizers import picture_tokenizer, text_plan, text_tokenizer
from studio.prime.sampling import Denoiser

__all__ = [
    "Alternative",
    "Denoiser",
    "FreeSource",
    "GenerationRequest",
    "Options",
    "PackedArray",
    "PictureSource",
    "Result",
    "TextSource",
    "alternatives",
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
    "plan_of",
    "read_request",
    "read_text_request",
    "save_picture",
    "story_of",
    "text_pieces",
    "text_plan",
    "text_request",
    "text_tokenizer",
    "texts_of",
    "words_of",
]
