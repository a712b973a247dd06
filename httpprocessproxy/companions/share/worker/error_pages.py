"""The worker's own answers to visits: pages that name a refusal or a problem."""

from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead, first
from httpprocessproxy.companions.share.worker.interfaces import Visitor
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem, render


def send_page(
    visitor: Visitor, visit: VisitHead, problem: Problem, fields: Fields | None = None
) -> None:
    """Answer a visit with a page and more `fields`."""
    head, body = page(visit, problem, fields)
    visitor.begin_answer(head)
    visitor.write(body)
    visitor.end_answer()


def page(
    visit: VisitHead, problem: Problem, fields: Fields | None = None
) -> tuple[AnswerHead, bytes]:
    """Return a page in the media type that the visitor accepts, without content for HEAD."""
    made = render(problem, (first(visit.fields, "accept") or "").encode(), False)
    head = AnswerHead(
        problem.status,
        [
            ("Content-Type", made.content_type.decode()),
            ("Content-Length", str(len(made.body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY.decode()),
            ("X-Content-Type-Options", "nosniff"),
            *(fields or []),
        ],
    )
    return head, b"" if visit.method == "HEAD" else made.body
