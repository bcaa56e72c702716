"""A client for a server's URL: `connect("http://localhost:8501")`."""

from seqtasks.clients.client import Access, Client
from seqtasks.clients.rest_client import RestClient


def connect(
    server: str, timeout: float = 30.0, retries: int = 3, access: Access | None = None
) -> Client:
    """Make the client for a URL: http://, https:// or grpc://HOST:PORT.

    Args:
        server: the URL.
        timeout: how many seconds each try may take.
        retries: how often a request is sent again while the server is busy.
        access: what it is shown, and whom to trust.

    Raises:
        ServingError: for any other URL.
    """
    if not server.startswith("grpc://"):
        return RestClient(server, timeout, retries, access)
    from seqtasks.clients.grpc_client import GrpcClient  # gRPC and protobuf, a tenth of a second

    return GrpcClient(server, timeout, retries, access)
