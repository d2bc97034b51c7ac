from django.contrib import admin
from django.urls import path

from tests.django_project import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", views.log_in),
    path("logout", views.log_out),
    path("who", views.who),
    path("form", views.form),
    path("stream", views.streamed),
    path("", views.act),
    path("<path:path>", views.act),
]
