//! What the page shows, as JSON. In: a report. Out: its tables, rows and pictures. Times are nanoseconds, sizes are bytes, and a
//! place is a file with a line.

use serde_json::{Value, json};

use super::Report;
use crate::{
    graph::Site,
    program::{BodyProfile, MemoryMap, Profile, StepProfile},
    simplify::{Firing, SimplifyReport},
    view::{Diagram, diagram::Level},
};

pub(super) fn of_report(report: &Report) -> Value {
    let summary = &report.summary;
    let graphs = [("before simplification", &report.before), ("after simplification", &report.after)];
    let graphs = graphs.into_iter().filter_map(|(name, diagram)| Some(graph(name, diagram.as_ref()?)));
    json!({
        "summary": {
            "steps": summary.n_steps,
            "ns": nanoseconds(report.profile.total()),
            "flops": summary.flops,
            "moved": summary.moved_bytes,
            "arena": summary.arena_bytes,
            "least": summary.least_arena_bytes,
            "fed": summary.fed_bytes,
        },
        "time": lines_by_time(&report.profile),
        "bytes": lines_by_bytes(&report.memory),
        "steps": steps(&report.profile.steps),
        "memory": memory(&report.memory),
        "rules": report.simplification.as_ref().map(rules),
        "graphs": graphs.collect::<Vec<Value>>(),
    })
}

/// JSON that may stand within a script element: no letter opens or closes an element or a comment there.
pub(super) fn script_text(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Text within HTML.
pub(super) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn place(site: Site) -> String {
    format!("{}:{}", site.file, site.line)
}

fn lines_by_time(profile: &Profile) -> Vec<Value> {
    let lines = profile.lines().into_iter().map(|line| {
        json!({
            "place": format!("{}:{}", line.file, line.line), "ns": nanoseconds(line.time), "steps": line.n_steps,
            "flops": line.flops, "bytes": line.bytes,
        })
    });
    lines.collect()
}

fn lines_by_bytes(memory: &MemoryMap) -> Vec<Value> {
    let lines = memory.peak().map_or(Vec::new(), |(step, _)| memory.lines_at(step)).into_iter();
    let lines = lines.map(
        |line| json!({ "place": format!("{}:{}", line.file, line.line), "bytes": line.bytes, "values": line.n_values }),
    );
    lines.collect()
}

/// The steps, each followed by those of its bodies, which are deeper.
fn steps(steps: &[StepProfile]) -> Vec<Value> {
    let mut rows = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        add_step(step, &position.to_string(), 0, &mut rows);
    }
    rows
}

fn add_step(step: &StepProfile, position: &str, depth: usize, rows: &mut Vec<Value>) {
    rows.push(json!({
        "step": position, "depth": depth, "text": step.description, "place": place(step.site), "ns": nanoseconds(step.time),
        "count": step.count, "flops": step.flops, "bytes": step.bytes,
    }));
    for BodyProfile { role, steps } in &step.bodies {
        for (inner, step) in steps.iter().enumerate() {
            add_step(step, &format!("{position} {role} {inner}"), depth + 1, rows);
        }
    }
}

fn memory(memory: &MemoryMap) -> Value {
    let rows = memory.rows.iter().map(|row| {
        json!({
            "offset": row.offset, "bytes": row.bytes, "first": row.first_step, "last": row.last_step,
            "over": row.is_overwritten, "text": row.description, "place": place(row.site),
        })
    });
    json!({
        "steps": memory.n_steps,
        "arena": memory.arena_bytes,
        "live": memory.live_bytes(),
        "peak": memory.peak().map(|(step, bytes)| json!({ "step": step, "bytes": bytes })),
        "rows": rows.collect::<Vec<Value>>(),
    })
}

fn rules(report: &SimplifyReport) -> Value {
    let rows = report.firings().map(|Firing { rule, class, site, count }| {
        json!({ "rule": rule, "class": class.name(), "count": count, "place": place(site) })
    });
    json!({
        "nodes": [report.nodes_before, report.nodes_after],
        "flops": [report.flops_before.to_string(), report.flops_after.to_string()],
        "rows": rows.collect::<Vec<Value>>(),
    })
}

fn graph(name: &str, diagram: &Diagram) -> Value {
    let level = |level: Level| {
        let boxes = level.boxes.into_iter().map(|found| json!({ "path": found.path, "words": found.words }));
        json!({ "name": level.name, "svg": level.svg, "boxes": boxes.collect::<Vec<Value>>() })
    };
    json!({ "name": name, "levels": diagram.levels().into_iter().map(level).collect::<Vec<Value>>() })
}
