"""The gateway: an endpoint in front of any model that makes constraints hold while the answer is being written.

    adhere serve --upstream http://localhost:8000/v1

Clients keep their SDK and change the base URL. `exchange` is the one normal form into which every API's requests and
answers are read; `wire` reads and writes each API; `guard` watches what is being written; `repair` asks again; `points`
is where a policy, a warden and a console take part. Nothing here imports torch, transformers or Inspect.
"""
