"""Failures of MindIE."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

MINDIE: tuple[Failure, ...] = (
    Failure(
        "mindie-permissions", "MindIE", phrases("Check Other group permission failed", "check path: … failed"),
        say("MindIE wants its files closed to others: the mode of a model or configuration file is wider than it allows."),
        say("chmod -R 750 the model's directory and chmod 640 conf/config.json, owned by the user that runs the service. A line marked "
            "WARN did not stop it: then look further."),
        "gpustack #3153, #2552",
        "[2025-11-05 20:32:25.735] [34] [281473375264256] [llm] [WARN] [param_checker.cpp:98]  Check Other group permission failed: "
        "/models/Qwen2.5-VL-7B-Instruct/config.json "
        "current permission is 4, but required no greater than 0. Required permisssion is 750, but got permission is 644"),
    Failure(
        "mindie-model-type", "MindIE", phrases("unsupported model type:"),
        say("This MindIE has no code for the model's architecture."),
        say("Take a model of MindIE's list of supported ones, a newer MindIE, or another engine."),
        "gpustack #1765",
        "[2025-04-15 16:40:05.552024] [17310] [281473799454720] [llm] [ERROR] [model_deploy_config.cpp:159] Failed to get vocab size from "
        "tokenizer wrapper with exception: "
        "NotImplementedError: unsupported model type: falcon_mamba"),
    Failure(
        "mindie-engine-start", "MindIE", phrases("MIE04E02011C", "[endpoint] Failed to init engine"),
        say("The server could not start its engine; this line does not say why."),
        say("Read the first [ERROR] above it, and the files under MINDIE_LOG_PATH (by default ~/mindie/log)."),
        "gpustack #2221",
        "[2025-06-12 08:08:24.544+00:00] [12646] [12648] [server] [ERROR] [endpoint.cpp:45] : [MIE04E02011C] [endpoint] Failed to init "
        "engine! "
        "Please check in the env MINDIE_LOG_PATH (default ~/mindie/log) or console output.", Standing.ECHO),
    Failure(
        "mindie-worker", "MindIE", phrases("Daemon wait pid with"),
        say("A worker process of MindIE ended; this line does not say why."),
        say("Read the Python log of the same second, and the first [ERROR] above it."),
        "hiascend forum, thread 0270188707324170253",
        "[2025-07-24 10:23:27.677619+08:00] [32534] [32535] [server] [ERROR] [llm_daemon.cpp:74] : ERR: Daemon wait pid with 32733 exit, "
        "Please check the service log or python log.",
        Standing.ECHO),
)
