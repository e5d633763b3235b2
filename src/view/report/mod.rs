//! A program as one page. In: a program's profile, its memory map, the rules that fired and its graph. Out: one HTML text that needs
//! nothing beside it. Nothing here measures or plans: `data.rs` writes down what `Profile`, `MemoryMap`, `SimplifyReport` and
//! `Diagram` tell, and `page.js` draws it.

mod data;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::{Diagram, FigureError, figure::save_text};
use crate::{
    graph::{Expr, Graph, IntoResults},
    parameters::Parameters,
    program::{
        AsParameters, Inputs, LentGraph, MemoryMap, PlanSummary, Profile, Program, RunError, Runner, TrainingStep,
    },
    simplify::SimplifyReport,
};

const STYLE: &str = include_str!("page.css");
const BODY: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// What a program does, as a page to be opened in a browser: one file, without network and without anything to install.
///
/// It begins with two tables: the user's lines by time ([`Profile::lines`]), and by the bytes that are live at the fullest step
/// ([`MemoryMap::lines_at`] of [`MemoryMap::peak`]). Below them are the graph at several foldings, to be zoomed by the wheel, moved
/// by dragging and unfolded by a click; the rules that fired; the steps in the order in which they run, with time, operations and
/// bytes; and what lies in the arena at each step. A field searches all of it by name, line and operation.
///
/// Made by [`Program::report`] and [`TrainingStep::report`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The time of each step.
    pub profile: Profile,
    /// What lies in the arena.
    pub memory: MemoryMap,
    /// The figures of the plan.
    pub summary: PlanSummary,
    title: String,
    simplification: Option<SimplifyReport>,
    before: Option<Diagram>,
    after: Option<Diagram>,
}

impl Program {
    /// Runs `n_runs` times as [`Program::profile`] does, and puts together what was measured, the plan, its memory and the graph that
    /// is planned. The graph before simplification is not the program's: [`Report::with_graph`] adds it.
    ///
    /// # Errors
    /// As for [`Program::run`].
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let scores = g.input("x", ("batch", 64)).dot(g.parameter("w", (64, 10), Initializer::Zeros)).softmax(-1);
    /// let mut program = g.compile(scores)?;
    /// let report = program.report(&g.initialize(0)?, ("x", &ndarray::Array2::<f32>::ones((32, 64))), 20)?;
    /// let slowest = report.profile.lines()[0];
    /// println!("{}:{} takes {:?}", slowest.file, slowest.line, slowest.time);
    /// let html = report.with_graph(&g, scores).to_html();
    /// assert!(html.starts_with("<!DOCTYPE html>"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("dashboard", "trace", "flame_graph"))]
    pub fn report(
        &mut self,
        parameters: impl AsParameters,
        inputs: impl Inputs,
        n_runs: usize,
    ) -> Result<Report, RunError> {
        let profile = self.profile(parameters, inputs, n_runs)?;
        Report::new(profile, self)
    }
}

impl TrainingStep {
    /// The page of a training step; see [`Program::report`].
    ///
    /// # Errors
    /// As for [`TrainingStep::run`].
    pub fn report(&mut self, parameters: &Parameters, inputs: impl Inputs, n_runs: usize) -> Result<Report, RunError> {
        let profile = self.profile(parameters, inputs, n_runs)?;
        Report::new(profile, self)
    }
}

impl Report {
    /// Of what a runner did last.
    fn new(profile: Profile, runner: &Runner) -> Result<Report, RunError> {
        let (memory, summary) = (runner.memory([])?, runner.summary([])?);
        let names = runner.signature.outputs.iter().map(|output| output.name.as_str());
        let mut after = None;
        runner.engine.lend_graph(&mut |LentGraph { graph, results, .. }| {
            let results: Vec<(&str, Expr<'_>)> =
                names.clone().zip(results.iter().map(|result| graph.expr(*result))).collect();
            after = Some(graph.to_diagram(results));
        });
        let (title, simplification) = ("Report of a program".to_owned(), runner.simplification().cloned());
        Ok(Report { profile, memory, summary, title, simplification, before: None, after })
    }

    /// Adds the user's graph, before simplification: what `results` are computed from, as [`Graph::to_diagram`] shows it. Name the
    /// results that were compiled; of a training step, the gradients too ([`Graph::gradients`]).
    #[must_use]
    pub fn with_graph<'g>(self, graph: &'g Graph, results: impl IntoResults<'g>) -> Report {
        Report { before: Some(graph.to_diagram(results)), ..self }
    }

    /// Gives the page another title.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Report {
        Report { title: title.into(), ..self }
    }

    /// The page as HTML. Style, script and data are in it, and its policy forbids the browser to load anything else.
    ///
    /// # Complexity
    /// Linear in steps, values and nodes, and the layout of the graph at each folding of at most 110 boxes. A graph that has
    /// more at the coarsest one is drawn with a box for each line, and not at all if its lines are more.
    pub fn to_html(&self) -> String {
        let title = data::escaped(&self.title);
        let data = data::script_text(&data::of_report(self));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{BODY}\
             <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }

    /// Writes the page into a file; folders on the way to it are made, and a file of that name is replaced at once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        save_text(path.as_ref(), &self.to_html())
    }
}
