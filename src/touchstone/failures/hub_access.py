"""Failures of model hubs to give what was asked for: rights, names, revisions, files, quotas."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

HUB_ACCESS: tuple[Failure, ...] = (
    Failure(
        "hub-gated", "hub", phrases("Cannot access gated repo", "is restricted. You must", "trying to access a gated repo",
                                    "GatedRepoError:"),
        say("The model is gated: its owner gives access to named accounts, and this request came without such a token."),
        say("Accept the conditions on the model's page, then set HF_TOKEN (or hf auth login) for the user and container that runs this."),
        "sglang #14644, vllm #8331; recorded with huggingface_hub 2.4.0",
        "Access to model meta-llama/Llama-3.2-1B-Instruct is restricted. You must have access to it and be authenticated to access it. "
        "Please log in."),
    Failure(
        "hub-repository", "hub", phrases("Repository Not Found for url", "RepositoryNotFoundError:"),
        say("The hub has no repository of that name, or it is private and this request came without a token (the hub answers both alike, "
            "with 401)."),
        say("Check the name, owner/model, letter by letter; for a private one set HF_TOKEN. Other hubs name models differently."),
        "recorded with huggingface_hub 2.4.0",
        "Repository Not Found for url: http://127.0.0.1:43513/api/models/acme/absent/revision/main."),
    Failure(
        "hub-revision", "hub", phrases("Revision Not Found for url", "RevisionNotFoundError:", "Invalid rev id"),
        say("The repository has no such branch, tag or commit."),
        say("Name a revision that exists: the default branch is main on Hugging Face and openMind, master on ModelScope."),
        "recorded with huggingface_hub 2.4.0",
        "Revision Not Found for url: http://127.0.0.1:43513/api/models/acme/norev/revision/main."),
    Failure(
        "hub-file", "hub", phrases("Entry Not Found for url", "EntryNotFoundError: 404", "RemoteEntryNotFoundError:"),
        say("The repository is there, the file is not."),
        say("List the repository's files; names differ in letters and shards between revisions."),
        "recorded with huggingface_hub 2.4.0",
        "Entry Not Found for url: http://127.0.0.1:40269/acme/nofile/resolve/main/config.json."),
    Failure(
        "hub-quota", "hub", phrases("429 Too Many Requests", "429 Client Error"),
        say("The hub refuses for now: too many requests from this address or account."),
        say("Wait, set HF_TOKEN (accounts may ask more often), fetch once and share the files among hosts."),
        "recorded with huggingface_hub 2.4.0",
        "httpx2.HTTPStatusError: Client error '429 Too Many Requests' for url 'http://127.0.0.1:40269/api/models/acme/many/revision/main'"),
    Failure(
        "http-refused", "hub", phrases("401 Client Error", "403 Client Error", "Client error '401", "Client error '403",
                                       "401 Unauthorized", "403 Forbidden"),
        say("The server refused the request for want of rights: no token, a wrong one, or one without access to this."),
        say("For a hub: set HF_TOKEN and accept the model's conditions. For a server of your own: give the API key that it was started "
            "with."),
        "vllm #8331; recorded with huggingface_hub 2.4.0",
        "httpx2.HTTPStatusError: Client error '401 Unauthorized' for url "
        "'http://127.0.0.1:43513/api/models/acme/gated/revision/main'", Standing.STEP),
    Failure(
        "http-not-found", "hub", phrases("404 Client Error", "Client error '404"),
        say("The server has nothing under this address."),
        say("Check the name in the address: the model, its revision, the file; and whether the mirror in use has it."),
        "modelscope #864; recorded with huggingface_hub 2.4.0",
        "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: "
        "https://www.modelscope.cn/api/v1/models/meta-llama/Meta-Llama-3-8B/revisions", Standing.STEP),
    Failure(
        "modelscope-absent", "hub",
        phrases("record not found | code=10010205001", "NotExistError:", "not exists on either https://www.modelscope.cn",
                "failed to access model … which may not exist", "Authentication token does not exist, failed to access model"),
        say("ModelScope has no such model, file or revision, or it is private."),
        say("Look the name up on modelscope.cn: owners differ from Hugging Face's (LLM-Research instead of meta-llama), files may lie in "
            "a directory, and the default branch is master."),
        "modelscope #1291, #864, functionary #318; recorded with modelscope 1.40.2",
        "requests.exceptions.HTTPError: [E3001] [401] record not found | code=10010205001"),
    Failure(
        "openmind-scheme", "hub", phrases("Insecure scheme detected", "is not within the white list."),
        say("openMind Hub takes https addresses of its own list only."),
        say("Set OPENMIND_HUB_ENDPOINT to an https address before Python starts (it is read at import), or leave it unset; "
            "HUB_WHITE_LIST_PATHS widens the directories it may write to."),
        "recorded with openmind_hub 1.3.0",
        "ValueError: Insecure scheme detected, exiting."),
)
