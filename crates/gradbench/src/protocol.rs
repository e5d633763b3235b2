//! GradBench's protocol, from the side of a tool: CONTRIBUTING.md of its repository specifies it. In: messages. Out: responses with the
//! same numbers.

use std::{
    io::{BufRead, Write},
    time::Instant,
};

use pullback::Options;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};

use crate::{
    error::{EvalError, ServeError},
    evals,
    timed::{Runs, Timing, repeat},
};

#[derive(Debug, Deserialize)]
struct Message {
    id: Number,
    kind: String,
    module: Option<String>,
    function: Option<String>,
    input: Option<Json>,
}

#[derive(Debug, Serialize)]
struct Response {
    id: Number,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Tool {
        tool: &'static str,
    },
    Done {
        success: bool,
    },
    Evaluated {
        success: bool,
        output: Json,
        timings: Vec<Timing>,
    },
    Failed {
        success: bool,
        error: String,
    },
    /// Nothing but the number.
    Seen {},
}

/// Answers messages until there are no more.
pub(crate) fn serve(input: impl BufRead, mut output: impl Write, options: &Options) -> Result<(), ServeError> {
    for line in input.lines() {
        let message: Message = serde_json::from_str(&line?)?;
        let response = Response { id: message.id.clone(), answer: answer(message, options) };
        serde_json::to_writer(&mut output, &response)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(message: Message, options: &Options) -> Answer {
    match message.kind.as_str() {
        "start" => Answer::Tool { tool: "pullback" },
        "define" => define(message.module.as_deref().unwrap_or_default()),
        "evaluate" => match evaluate(message, options) {
            Ok((output, timings)) => Answer::Evaluated { success: true, output, timings },
            Err(error) => Answer::Failed { success: false, error: error.to_string() },
        },
        // The protocol asks for a response to messages of kinds that a tool does not know.
        _ => Answer::Seen {},
    }
}

fn define(module: &str) -> Answer {
    if evals::has_module(module) {
        Answer::Done { success: true }
    } else {
        Answer::Failed { success: false, error: format!("there is no module {module:?}") }
    }
}

/// The output, the time that preparing took, and that of each run.
fn evaluate(message: Message, options: &Options) -> Result<(Json, Vec<Timing>), EvalError> {
    let (Some(module), Some(function), Some(input)) = (message.module, message.function, message.input) else {
        return Err(EvalError::Incomplete);
    };
    let prepare = evals::find(&module, &function).ok_or(EvalError::UnknownFunction { module, function })?;
    // `hello` has a number as its input, which says nothing of runs.
    let runs = if input.is_object() { Runs::deserialize(&input)? } else { Runs::default() };
    let start = Instant::now();
    let mut timed = prepare(input, options)?;
    let mut timings = vec![Timing::new("prepare", start.elapsed())];
    timings.extend(repeat(timed.as_mut(), runs)?);
    Ok((timed.output(), timings))
}
