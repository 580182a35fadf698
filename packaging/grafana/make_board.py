#!/usr/bin/env python3
"""Writes hearth.json, the Grafana board, from the table of its panels below: make_board.py > hearth.json"""
import json

FILTER = 'instance=~"$instance",model_name=~"$model"'
WINDOW = "$__rate_interval"


def rate(name, labels=FILTER):
    return f"rate({name}{{{labels}}}[{WINDOW}])"


def total(name, by="model_name", labels=FILTER):
    return f"sum by ({by}) ({rate(name, labels)})"


def quantile(share, name):
    return f"histogram_quantile({share}, sum by (le, model_name) ({rate(name + '_bucket')}))"


def quantiles(name):
    return [(quantile(0.5, name), "p50 {{model_name}}"), (quantile(0.95, name), "p95 {{model_name}}")]


# Title, what it says, unit, queries with their legends.
PANELS = [
    ("Running and waiting", "Requests with a place in the engine, and those that wait for one.", "short", [
        (f"vllm:num_requests_running{{{FILTER}}}", "running {{model_name}}"),
        (f"vllm:num_requests_waiting{{{FILTER}}}", "waiting {{model_name}}")]),
    ("Tokens per second", "Prompt tokens that were computed, and tokens that were generated.", "short", [
        (total("vllm:prompt_tokens_by_source_total", labels=FILTER + ',source="local_compute"'), "in {{model_name}}"),
        (total("vllm:generation_tokens_total"), "out {{model_name}}")]),
    ("Time to the first token", "From the whole request to the first token of its answer.", "s",
     quantiles("vllm:time_to_first_token_seconds")),
    ("Time between tokens", "What a reader notices as speed.", "s", quantiles("vllm:inter_token_latency_seconds")),
    ("Whole answers", "From the whole request to the last token.", "s", quantiles("vllm:e2e_request_latency_seconds")),
    ("Time in the queue", "Waiting for a place.", "s", quantiles("vllm:request_queue_time_seconds")),
    ("Answers by how they ended", "abort: the client left; repetition: stopped because it repeated itself.", "ops", [
        (total("vllm:request_success_total", "finished_reason"), "{{finished_reason}}")]),
    ("Use of the context room", "Share that running requests fill.", "percentunit", [
        (f"vllm:kv_cache_usage_perc{{{FILTER}}}", "{{model_name}}")]),
    ("Prompt tokens from the cache", "Share of all prompt tokens.", "percentunit", [
        (f"{total('vllm:prefix_cache_hits_total')} / {total('vllm:prefix_cache_queries_total')}", "{{model_name}}")]),
    ("Where the cache had them", "Prompt tokens a second of answers that ended, found in memory or read from the disk.",
     "short", [(total("hearth:prefix_cache_hits_total", "model_name, source"), "{{source}} {{model_name}}")]),
    ("HTTP errors", "Answers by status, without the good ones; 499: the client left before an answer.", "reqps", [
        (total("hearth:http_requests_total", "path, status", 'instance=~"$instance",status!~"2.."'),
         "{{status}} {{path}}"),
        (total("hearth:requests_rejected_total", "reason", 'instance=~"$instance"'), "refused: {{reason}}")]),
    ("Memory", "Of the process, and what loaded models were announced to take.", "bytes", [
        ('process_resident_memory_bytes{job="hearth",instance=~"$instance"}', "resident {{instance}}"),
        (f'sum by (part) (hearth:memory_planned_bytes{{{FILTER},part!="mapped"}})', "{{part}}")]),
    ("Processor and connections", "Cores in use; connections that are open.", "short", [
        (f'rate(process_cpu_seconds_total{{job="hearth",instance=~"$instance"}}[{WINDOW}])', "cores {{instance}}"),
        ('hearth:http_connections{instance=~"$instance"}', "connections {{instance}}")]),
    ("Length of requests", "Mean tokens of prompts and of answers.", "short", [
        (f"{total('vllm:request_prompt_tokens_sum')} / {total('vllm:request_prompt_tokens_count')}",
         "prompt {{model_name}}"),
        (f"{total('vllm:request_generation_tokens_sum')} / {total('vllm:request_generation_tokens_count')}",
         "answer {{model_name}}")]),
]

SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, title, text, unit, queries):
    return {
        "id": number + 1, "type": "timeseries", "title": title, "description": text, "datasource": SOURCE,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
                    for i, (expr, legend) in enumerate(queries)],
    }


def variable(name, query):
    return {"name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


board = {
    "title": "hearth", "uid": "hearth", "tags": ["hearth"], "schemaVersion": 39, "version": 1, "editable": True,
    "refresh": "15s", "time": {"from": "now-1h", "to": "now"},
    "templating": {"list": [
        {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
        variable("instance", "label_values(hearth:build_info, instance)"),
        variable("model", "label_values(hearth:model_loaded, model_name)"),
    ]},
    "panels": [panel(i, *one) for i, one in enumerate(PANELS)],
}
print(json.dumps(board, indent=2))
