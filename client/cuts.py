"""Where a film is cut: behind a cut nobody is the person who was in the same place before."""

from fractions import Fraction

import av
import av.filter

SCENE = 0.25
"""Mean difference from the frame before, in hundreds of grey levels (of 256), that makes a cut where it comes suddenly:
a tenth of the range, as FFmpeg's newer `scdet` takes it unless told otherwise. A cut that is missed makes one person of
two; one too many, such as a flash or a camera that is torn around, only gives a person a new number."""


class Cuts:
    """Finds the cuts of a film, frame by frame, by the scene score of FFmpeg's filter `select`. A fade is none."""

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._form: tuple[int, int, str] | None = None
        self._seen = 0

    def is_before(self, frame: av.VideoFrame) -> bool:
        """Whether the film is cut between this frame and the one of the call before."""
        form = (frame.width, frame.height, frame.format.name)
        if self._graph is None or form != self._form:
            self._graph, self._form, self._seen = _selecting(frame), form, 0
        self._graph.vpush(frame)
        self._seen += 1
        # A score is what a frame differs by beyond what the one before did. The second has none before it, so that mere
        # movement would count; nor is a change of size a cut, as calls make it whenever the network does.
        return self._seen > 1 and _is_selected(self._graph) and self._seen > 2


def _is_selected(graph: av.filter.Graph) -> bool:
    """Whether the filter lets the frame through that it was given last."""
    try:
        graph.vpull()
    except av.BlockingIOError:
        return False
    return True


def _selecting(frame: av.VideoFrame) -> av.filter.Graph:
    """A graph that lets through, of frames of this size and pixel format, those behind a cut."""
    graph = av.filter.Graph()
    nodes = (
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        ),
        graph.add("select", f"gt(scene,{SCENE})"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*nodes).configure()
    return graph
