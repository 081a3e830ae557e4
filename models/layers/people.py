"""The people in one mask told apart: their pieces are followed from frame to frame, also while they cross.

Where two people meet, their masks are one piece. Each pixel of it goes to the person whose outline, moved on as before the
meeting, is nearer. Where they part again, the way that each was going decides who is who, and with pictures their colours.
Letters: N frames, K people, h and w the small pixels that people are followed on, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from torch import Tensor

from ..opencv import import_cv2
from .body import decision_step
from .looks import Looks
from .pieces import Piece, find_pieces, nearest_label

TOUCHES = 0.15  # of the smaller one of a piece and an expected outline that lies on both
BESIDE = 0.6  # of a person's height by which a piece may be away from the expected place
LOST = 60  # frames after which a hidden person who comes back is a new one
PART = 0.35  # of a person's area: a smaller piece is an arm or a leg
GAP = 0.3  # of the height: a tree in front of a person is narrower, so what is farther away is another person
GROWS = 0.03  # of the height by which the expected place of a hidden person is less certain with each frame
MEMORY = 0.3  # of the newest frame in the speed of a person
COLOURS = 2.0  # how much different colours count against a way that is off by one height
MOST_AT_ONCE = 5  # people who part from each other in one frame, of whom every order is compared


@dataclass(eq=False)
class Person:
    """One person, as last seen: alone, or expected in a group."""

    number: int
    outline: np.ndarray  # (h, w) bool, when last alone
    centre: np.ndarray  # (2,) of it, in rows and columns
    place: np.ndarray  # (2,) where that centre is now, or is expected
    speed: np.ndarray  # (2,) small pixels in each frame
    frame: int  # when last seen
    looks: Looks | None
    group: frozenset[int] = frozenset()  # the numbers of all in the same piece, if there are others in it
    area: int = 0  # small pixels in all frames

    @property
    def height(self) -> float:
        return float(np.ptp(self.outline.any(1).nonzero()[0])) + 1

    def expected(self) -> np.ndarray:
        """(h, w) bool: the outline where the person is expected now."""
        return moved(self.outline, np.round(self.place - self.centre).astype(int))


@dataclass
class People:
    """K people, the largest over the clip first."""

    labels: np.ndarray  # (N, h, w) 0 for none, else the number of a person + 1
    step: int
    count: int

    def mask(self, masks: Tensor, number: int, frame: int) -> Tensor:
        """(H, W) one person in a frame of the masks (N, H, W) that the people are in."""
        plane = masks[frame]
        own = np.repeat(np.repeat(self.labels[frame] == number + 1, self.step, 0), self.step, 1)
        return plane * plane.new_tensor(own[: plane.shape[0], : plane.shape[1]])

    def frames_of(self, number: int) -> np.ndarray:
        """The frames that show a person."""
        return (self.labels == number + 1).any((1, 2)).nonzero()[0]

    def at(self, frame: int, row: float, column: float) -> int | None:
        """The number of the person at a pixel of a frame, or nearest to it; None where the frame shows no person."""
        places = np.argwhere(self.labels[frame] > 0)
        if not len(places):
            return None
        nearest = np.square(places - (row / self.step, column / self.step)).sum(1).argmin()
        return int(self.labels[frame][tuple(places[nearest])]) - 1


def find_people(
    masks: Tensor, images: Tensor | None, min_area: float, report: Callable[[int], None] = lambda done: None
) -> People:
    """The people in masks (N, H, W); pieces cover `min_area` of the picture at least. images (N, H, W, 3) show their colours."""
    step = decision_step(tuple(masks.shape[1:]))
    labels, following = [], Following()
    for index, mask in enumerate(masks):
        colours = None if images is None else images[index, ::step, ::step].float().numpy()
        pieces = find_pieces(mask, step, min_area)
        found = following.assign(index, pieces, colours)
        labels.append(nearest_label(found, mask, step))
        report(index + 1)
    order = sorted(following.people, key=lambda person: -person.area)
    numbers = np.zeros(len(order) + 1, np.int16)
    for place, person in enumerate(order):
        numbers[person.number] = place + 1
    return People(numbers[np.stack(labels)], step, len(order))


class Following:
    """People followed from frame to frame."""

    def __init__(self):
        self.people: list[Person] = []

    def assign(self, frame: int, pieces: list[Piece], colours: np.ndarray | None) -> np.ndarray:
        """(h, w) the number of the person that each pixel of the pieces of a frame belongs to, from 1."""
        for person in self.people:
            person.place = person.place + person.speed
        present = [person for person in self.people if frame - person.frame == 1]
        owners = self.owners(pieces, present, colours)
        self.find_again(frame, pieces, owners, colours)
        labels = np.zeros(pieces[0].mask.shape if pieces else (1, 1), np.int32)
        for piece, people in zip(pieces, owners, strict=True):
            if not people:
                people.append(self.new_person(frame, piece))
            labels[piece.mask] = people[0].number
            if len(people) > 1:
                split(labels, piece.mask, people)
        for person in {id(one): one for people in owners for one in people}.values():
            together = frozenset(one.number for people in owners if person in people for one in people)
            self.update(person, frame, labels == person.number, together, colours)
        return labels

    def owners(self, pieces: list[Piece], present: list[Person], colours: np.ndarray | None) -> list[list[Person]]:
        """The people of the frame before whom each piece may belong to; several where they meet."""
        outlines = [person.expected() for person in present]
        touch = np.array([piece.share_on(outline) for piece in pieces for outline in outlines])
        touch = touch.reshape(len(pieces), len(present))
        near = touch > TOUCHES
        for column in (~near.any(0)).nonzero()[0]:  # faster than expected
            free = [k for k in range(len(pieces)) if not near[k].any()]
            away = [pieces[k].distance(present[column].place) for k in free]
            if away and min(away) < BESIDE * present[column].height:
                near[free[int(np.argmin(away))], column] = True
        for column, person in enumerate(present):  # after a meeting each may be anywhere where one of them is
            near[:, column] |= near[:, [one.number in person.group for one in present]].any(1)
        for group, together in groups(near):
            part(near, [present[k] for k in together], together, [pieces[k] for k in group], group, colours)
        for column, person in enumerate(present):
            free_others(near[:, column], person, pieces)
        return [[person for k, person in enumerate(present) if row[k]] for row in near]

    def find_again(
        self, frame: int, pieces: list[Piece], owners: list[list[Person]], colours: np.ndarray | None
    ) -> None:
        """Gives pieces of no person of the frame before to those who were hidden, the best match first."""
        hidden = [person for person in self.people if 1 < frame - person.frame <= LOST]
        costs = []
        for k, piece in enumerate(pieces):
            for person in hidden if not owners[k] else ():
                reach = BESIDE + GROWS * (frame - person.frame)
                away = piece.distance(person.place) / person.height
                if away < reach:
                    costs.append((away + COLOURS * unlike(person, piece, colours), k, person))
        for _, k, person in sorted(costs, key=lambda cost: cost[0]):
            if not owners[k] and not any(person in people for people in owners):
                owners[k].append(person)

    def new_person(self, frame: int, piece: Piece) -> Person:
        person = Person(len(self.people) + 1, piece.mask, piece.centre, piece.centre, np.zeros(2), frame, None)
        self.people.append(person)
        return person

    def update(self, person: Person, frame: int, mask: np.ndarray, together: frozenset[int], colours) -> None:
        """What is known of a person after a frame; in a group the outline and the speed of before are kept."""
        person.area += int(mask.sum())
        alone = len(together) == 1
        if alone and mask.any():
            centre, since = np.argwhere(mask).mean(0), frame - person.frame
            if since and not person.group:
                step = (centre - person.centre) / since
                person.speed = step if not person.speed.any() else (1 - MEMORY) * person.speed + MEMORY * step
            person.outline, person.centre, person.place = mask, centre, centre
            if colours is not None:
                person.looks = (person.looks or Looks()).add(colours, mask)
        elif mask.any():
            rows, columns = mask.nonzero()
            low, high = np.array([rows.min(), columns.min()]), np.array([rows.max(), columns.max()])
            person.place = person.place.clip(low, high)
        person.frame, person.group = frame, frozenset() if alone else together


def moved(mask: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(h, w) bool moved by whole pixels (rows, columns); what leaves the picture is gone."""
    out = np.zeros_like(mask)
    (down, right), (height, width) = by.tolist(), mask.shape
    if abs(down) < height and abs(right) < width:
        out[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = mask[
            max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)
        ]
    return out


def groups(near: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Pieces and people (pieces, people) bool that hang together, where it is two of each at least."""
    left, found = set(range(len(near))), []
    while left:
        pieces, people = {left.pop()}, set()
        while True:
            people = {int(k) for piece in pieces for k in near[piece].nonzero()[0]}
            more = {int(k) for person in people for k in near[:, person].nonzero()[0]}
            if more <= pieces:
                break
            pieces |= more
        left -= pieces
        if len(pieces) > 1 and len(people) > 1:
            found.append((sorted(pieces), sorted(people)))
    return found


def part(
    near: np.ndarray, people: list[Person], columns: list[int], pieces: list[Piece], rows: list[int], colours
) -> None:
    """Decides, in place, whose each of several pieces is where people part: one for each, the others to the nearest."""
    usual = np.median([person.outline.sum() for person in people])
    large = [k for k in sorted(range(len(pieces)), key=lambda k: -pieces[k].area) if pieces[k].area > PART * usual]
    if len(large) < 2:
        return
    pairs = min(len(large), len(people), MOST_AT_ONCE)
    large, cost = large[:pairs], np.array([[away(one, piece, colours) for piece in pieces] for one in people])
    order = min(
        permutations(range(min(len(people), MOST_AT_ONCE)), pairs),
        key=lambda chosen: sum(cost[person, piece] for person, piece in zip(chosen, large, strict=True)),
    )
    near[np.ix_(rows, columns)] = False
    for person, piece in zip(order, large, strict=True):
        near[rows[piece], columns[person]] = True
    for person in set(range(len(people))) - set(order):
        near[rows[large[int(np.argmin(cost[person, large]))]], columns[person]] = True
    for piece in set(range(len(pieces))) - set(large):
        near[rows[piece], columns[int(np.argmin(cost[:, piece]))]] = True


def free_others(near: np.ndarray, person: Person, pieces: list[Piece]) -> None:
    """Takes from a person, in place, the pieces (n,) that are as large as another person and far from the main one."""
    own = near.nonzero()[0]
    if len(own) < 2:
        return
    main = max(own, key=lambda k: pieces[k].area / (1 + pieces[k].distance(person.place) / person.height))
    for k in own:
        if pieces[k].area > PART * pieces[main].area and pieces[k].gap(pieces[main]) > GAP * person.height:
            near[k] = False


def away(person: Person, piece: Piece, colours: np.ndarray | None) -> float:
    """How little a piece is a person: by the place, in heights, and after a meeting by the colours."""
    cost = piece.distance(person.place) / person.height
    return cost + COLOURS * unlike(person, piece, colours) if person.group else cost


def unlike(person: Person, piece: Piece, colours: np.ndarray | None) -> float:
    """How different the colours of a piece are from those of a person, from 0 to 1."""
    return person.looks.difference(colours, piece.mask) if person.looks and colours is not None else 0.0


def split(labels: np.ndarray, piece: np.ndarray, people: list[Person]) -> None:
    """Writes into labels (h, w), in a piece (h, w), the number of the person whose expected outline is nearest.

    Where outlines lie on each other it is the person whose feet are lowest in the picture, who is nearer to the camera.
    """
    cv2 = import_cv2()
    outlines = [person.expected() for person in people]
    feet = [float(np.nonzero(one.any(1))[0].max(initial=-1)) for one in outlines]
    order = np.argsort(feet, kind="stable")[::-1]
    far = [
        cv2.distanceTransform((~outlines[k]).astype(np.uint8), cv2.DIST_L2, 5)
        if outlines[k].any()
        else np.full(piece.shape, 1e6)
        for k in order
    ]
    numbers = np.array([people[k].number for k in order])
    labels[piece] = numbers[np.argmin(far, 0)][piece]
