from django.urls import path

from tests.django_project import views

urlpatterns = [
    path("login", views.log_in_async),
    path("logout", views.log_out_async),
    path("who", views.who_async),
    path("stream", views.streamed_async),
    path("", views.act_async),
    path("<path:path>", views.act_async),
]
