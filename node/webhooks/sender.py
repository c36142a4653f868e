"""One attempt to deliver one message.

Rules: accepted is 2xx and nothing else; redirects are not followed, for whoever answers so could send our requests
anywhere; the whole attempt has one deadline, however slowly bytes come; of the answer's body no more is read than
frees the connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import httpx

from node.webhooks.errors import DeliveryError, TargetError
from node.webhooks.target import TargetRules, parse_target

ANSWER_BYTES_MAX = 16 * 1024
RETRY_AFTER_S_MAX = 3600
_GONE = 410


class Sender:
    """Delivers to one endpoint, over one connection that is kept between messages.

    Args:
        url: the endpoint's.
        rules: whom it may reach.
        tls: the authorities trusted.
        timeout_s: longest attempt, from resolving the name to the end of the answer.
    """

    def __init__(self, url: str, *, rules: TargetRules, tls: ssl.SSLContext, timeout_s: float) -> None:
        self.url = url
        self._rules = rules
        self._timeout_s = timeout_s
        # Of this endpoint alone: connections are pooled by address, and two names may share one.
        self._client = httpx.AsyncClient(
            verify=tls,
            follow_redirects=False,
            trust_env=False,
            # Shorter than the whole attempt: what ends by itself closes its socket, what is cancelled may not.
            timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=30),
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def send(self, headers: Mapping[str, str], body: bytes) -> None:
        """Deliver a message; returns when the receiver has accepted it.

        Raises:
            DeliveryError: it has not, as far as is known.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._post(headers, body)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s") from error
        except TargetError as error:
            raise DeliveryError(error.reason) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise DeliveryError(f"the connection failed: {type(error).__name__}") from error
        if answer.is_success:
            return
        if answer.is_redirect:
            raise DeliveryError(f"status {answer.status_code}: redirects are not followed")
        raise DeliveryError(
            f"status {answer.status_code}",
            gone=answer.status_code == _GONE,
            retry_after_s=_retry_after(answer.headers.get("retry-after", "")),
        )

    async def _post(self, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        target = parse_target(self.url)
        address = await self._rules.resolve(target)
        request = {
            **headers,
            "host": target.authority,
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "DwayBank-Webhooks/1",
        }
        # The certificate is checked against the host's name, although the address is what is connected to.
        extensions = {"sni_hostname": target.host}
        async with self._client.stream(
            "POST", target.url_at(address), content=body, headers=request, extensions=extensions
        ) as answer:
            received = 0
            async for chunk in answer.aiter_raw():
                received += len(chunk)
                if received > ANSWER_BYTES_MAX:
                    break
        return answer


def _retry_after(value: str) -> int:
    """Return the seconds of a ``Retry-After`` header; dates are not read."""
    return min(int(value), RETRY_AFTER_S_MAX) if value.isascii() and value.isdecimal() and len(value) < 10 else 0
