"""What a server may answer, whatever the model says: the guard rails of whoever runs it.

A policy is a TOML file that `EMOTION_POLICY` names, such as

    most_faces = 20            # the largest; a crowd is not for surveillance
    smallest_face = 40         # width in pixels
    withhold = ["fearful"]     # emotions that are never named
    abstain_below = 0.5        # confidence from which on an emotion is named
    only_reliable = true       # name no emotion where the face is not reliable

It is enforced on the finished answer, which says which policy it went through. Without a policy nothing is held back.

What is withheld can still be guessed: where only one emotion is on the list, a face without an emotion shows that one,
and the probability that is missing from a face is what the others leave of 1.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from emotion.contract import Analysis, Face, Policy, Withheld


class PolicyError(ValueError):
    """The policy file cannot be used; the message names the file and the setting."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Policy | None:
    """The policy in the file that `EMOTION_POLICY` names, or none. Raises `PolicyError`: a server without the policy
    that it was given must not start."""
    name = environment.get("EMOTION_POLICY", "")
    return load(Path(name)) if name else None


def load(path: Path) -> Policy:
    """The policy in a TOML file. Raises `PolicyError`."""
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")), extra="forbid")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"{path}: not a readable TOML file ({error})") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise PolicyError(f"{path}: {problems}") from error


def enforced(analysis: Analysis, policy: Policy) -> Analysis:
    """The answer as `policy` allows it: fewer faces, and emotions withheld."""
    allowed = [face for face in analysis.faces if _width(face) >= policy.smallest_face]
    if policy.most_faces is not None:
        allowed = allowed[: policy.most_faces]
    faces = tuple(_withheld(face, policy) for face in allowed)
    left_out = analysis.left_out + len(analysis.faces) - len(faces)
    return analysis.model_copy(update={"faces": faces, "left_out": left_out, "policy": policy})


def _width(face: Face) -> float:
    """Of the upright face; the box of a photo that lies on its side has the face's height across."""
    return face.quality.size if face.quality else face.box.width


def _withheld(face: Face, policy: Policy) -> Face:
    """The face without what must not be named; where that is its emotion, without any probability: they would tell."""
    reason = _reason(face, policy)
    if reason:
        return face.model_copy(update={"emotion": None, "withheld": reason, "probabilities": {}})
    shown = {emotion: value for emotion, value in face.probabilities.items() if emotion not in policy.withhold}
    return face.model_copy(update={"probabilities": shown})


def _reason(face: Face, policy: Policy) -> Withheld | None:
    if face.emotion in policy.withhold:
        return "emotion"
    if policy.only_reliable and not face.reliable:
        return "unreliable"
    return "confidence" if face.confidence < policy.abstain_below else None
