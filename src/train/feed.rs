//! Which input is fed which column. In: what programs declare, names that the user gave, and a source. Out: a batch as inputs, or
//! the input that no column fits.

use super::TrainError;
use crate::{
    data::{Batch, Source},
    graph::{Dim, Shape, Type, ValueView},
    names,
    program::{Declaration, Inputs, RunError},
};

/// The inputs that programs need, each with the column that it is fed.
#[derive(Debug)]
pub(super) struct Feeds(Vec<Feed>);

#[derive(Debug)]
struct Feed {
    input: Declaration,
    column: String,
    is_in_step: bool,
    is_in_evaluation: bool,
}

/// Which of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Step,
    Evaluation,
}

impl Feeds {
    /// Each input is fed the column of its name.
    pub(super) fn new(step: &[Declaration], evaluation: &[Declaration]) -> Feeds {
        let is_needed =
            |declared: &[Declaration], name: &str| declared.iter().any(|input| input.name == name && input.is_needed);
        let feed = |input: &Declaration| Feed {
            column: input.name.clone(),
            is_in_step: is_needed(step, &input.name),
            is_in_evaluation: is_needed(evaluation, &input.name),
            input: input.clone(),
        };
        // The two programs of a model may be of unlike graphs.
        let others = evaluation.iter().filter(|input| step.iter().all(|other| other.name != input.name));
        Feeds(step.iter().chain(others).map(feed).collect())
    }

    /// The inputs of another program for evaluation, each fed the column that it is fed here, or that of its name.
    pub(super) fn of_others(&self, evaluation: &[Declaration]) -> Feeds {
        let mut feeds = Feeds::new(&[], evaluation);
        for feed in &mut feeds.0 {
            if let Some(known) = self.0.iter().find(|known| known.input.name == feed.input.name) {
                feed.column.clone_from(&known.column);
            }
        }
        feeds
    }

    /// Feeds an input another column.
    pub(super) fn set(&mut self, input: &str, column: &str) -> Result<(), TrainError> {
        let nearest = names::nearest(input, self.0.iter().map(|feed| feed.input.name.as_str()));
        let feed = self.0.iter_mut().find(|feed| feed.input.name == input);
        let feed = feed.ok_or_else(|| TrainError::UnknownInput { name: input.to_owned(), nearest })?;
        feed.column = column.to_owned();
        Ok(())
    }

    /// Checks that a source has a column of a fitting type for each input that is needed.
    pub(super) fn check(&self, source: &dyn Source, what_for: Use, purpose: &'static str) -> Result<(), TrainError> {
        self.needed(what_for).try_for_each(|feed| feed.check(source, purpose))
    }

    /// A batch as the inputs of a program.
    pub(super) fn fed<'b>(&'b self, batch: &'b Batch, what_for: Use) -> Fed<'b> {
        Fed { feeds: self, batch, what_for }
    }

    fn needed(&self, what_for: Use) -> impl Iterator<Item = &Feed> {
        self.0.iter().filter(move |feed| match what_for {
            Use::Step => feed.is_in_step,
            Use::Evaluation => feed.is_in_evaluation,
        })
    }
}

impl Feed {
    fn check(&self, source: &dyn Source, purpose: &'static str) -> Result<(), TrainError> {
        let Declaration { name, ty, site, .. } = &self.input;
        let columns = source.columns();
        let Some(column) = columns.iter().find(|column| column.name == self.column) else {
            return Err(TrainError::NoColumn {
                input: name.clone(),
                ty: Box::new(ty.clone()),
                site: *site,
                purpose,
                column: self.column.clone(),
                nearest: names::nearest(&self.column, columns.iter().map(|column| column.name.as_str())),
                columns: columns.iter().map(|column| column.name.clone()).collect(),
            });
        };
        if is_fitting(&ty.shape, &column.ty.shape) && ty.dtype == column.ty.dtype {
            return Ok(());
        }
        let expected = ty.shape.first().map(|_| Box::new(Type::new(ty.dtype, &ty.shape[1..])));
        let (input, ty, site, column) = (name.clone(), Box::new(ty.clone()), *site, Box::new(column.clone()));
        Err(TrainError::ColumnType { input, ty, site, column, expected })
    }
}

/// Whether arrays of examples of that shape, one above the other, may have the shape of an input: sizes that are symbols are known
/// only when a batch is there.
fn is_fitting(input: &Shape, example: &Shape) -> bool {
    let pair = |(input, example): (&Dim, &Dim)| match (input.as_number(), example.as_number()) {
        (Some(input), Some(example)) => input == example,
        (None, _) | (_, None) => true,
    };
    input.rank() == example.rank() + 1 && input[1..].iter().zip(example.iter()).all(pair)
}

/// The columns of a batch, under the names of the inputs that they are for.
#[derive(Clone, Copy)]
pub(super) struct Fed<'b> {
    feeds: &'b Feeds,
    batch: &'b Batch,
    what_for: Use,
}

impl Inputs for Fed<'_> {
    fn each<'s>(&'s self, feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>) -> Result<(), RunError> {
        // A column that a batch lacks, though its source has it, is missed by the program, which names the input.
        let fed = self.feeds.needed(self.what_for);
        let mut fed = fed.filter_map(|needed| Some((needed.input.name.as_str(), self.batch.get(&needed.column)?)));
        fed.try_for_each(|(name, value)| feed(name, value.view()))
    }
}
