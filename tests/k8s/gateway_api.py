"""What the Gateway API lets a Gateway and an HTTPRoute say, as far as the manifests make use of it (version 1.3 on).

No package for Python has its schemas; a field that is not here is refused, and so is one that is spelt wrongly.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=253)]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Duration = Annotated[str, Field(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Object(_Strict):
    apiVersion: Literal["gateway.networking.k8s.io/v1"]
    metadata: dict[str, Any]


class _Reference(_Strict):
    name: Name


class _Tls(_Strict):
    mode: Literal["Terminate"]
    certificateRefs: Annotated[list[_Reference], Field(min_length=1, max_length=64)]


class _Listener(_Strict):
    name: Name
    port: Port
    protocol: Literal["HTTP", "HTTPS"]
    hostname: Host | None = None
    tls: _Tls | None = None

    @model_validator(mode="after")
    def _https_has_a_certificate(self) -> "_Listener":
        if (self.protocol == "HTTPS") != (self.tls is not None):
            raise ValueError(f"listener {self.name}: HTTPS and a certificate belong together")
        return self


class _GatewaySpec(_Strict):
    gatewayClassName: Name
    listeners: Annotated[list[_Listener], Field(min_length=1, max_length=64)]


class Gateway(_Object):
    """A listener for each host."""

    kind: Literal["Gateway"]
    spec: _GatewaySpec


class _Parent(_Strict):
    name: Name
    sectionName: Name


class _Path(_Strict):
    type: Literal["Exact", "PathPrefix"]
    value: Annotated[str, Field(pattern=r"^/", max_length=1024)]


class _Match(_Strict):
    path: _Path


class _Backend(_Strict):
    name: Name
    port: Port
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1


class _MirroredTo(_Strict):
    name: Name
    port: Port


class _Mirror(_Strict):
    backendRef: _MirroredTo
    percent: Annotated[int, Field(ge=0, le=100)] = 100


class _Redirect(_Strict):
    scheme: Literal["https"]
    statusCode: Literal[301, 302]


class _MirrorFilter(_Strict):
    type: Literal["RequestMirror"]
    requestMirror: _Mirror


class _RedirectFilter(_Strict):
    type: Literal["RequestRedirect"]
    requestRedirect: _Redirect


class _Timeouts(_Strict):
    request: Duration


class _Rule(_Strict):
    matches: Annotated[list[_Match], Field(max_length=64)] = []
    filters: Annotated[list[_MirrorFilter | _RedirectFilter], Field(max_length=16)] = []
    backendRefs: Annotated[list[_Backend], Field(max_length=16)] = []
    timeouts: _Timeouts | None = None


class _RouteSpec(_Strict):
    parentRefs: Annotated[list[_Parent], Field(max_length=32)]
    hostnames: Annotated[list[Host], Field(max_length=16)]
    rules: Annotated[list[_Rule], Field(min_length=1, max_length=16)]


class HTTPRoute(_Object):
    """Where requests for some hosts go."""

    kind: Literal["HTTPRoute"]
    spec: _RouteSpec
