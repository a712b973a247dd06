"""The API: its version, the orders, and a page of an order's number."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from redis import Redis
from rq import Queue

from shop.models import Order
from shop.version import VERSION

queue = Queue(connection=Redis.from_url(settings.QUEUE_URL))


def version(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"version": VERSION})


@csrf_exempt
def orders(request: HttpRequest) -> JsonResponse:
    if request.method == "POST":
        order = Order.objects.create(key=request.GET["key"])
        queue.enqueue("shop.tasks.pack", order.key)
        return JsonResponse({"key": order.key}, status=201)
    found = Order.objects.order_by("id").values_list("key", "is_packed")
    return JsonResponse({"orders": list(found)})


urlpatterns = [path("api/version", version), path("api/orders", orders)]
