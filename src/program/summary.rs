//! What a program tells of its plan. In: sizes. Out: text, a [`PlanSummary`], or the largest size that fits a budget.

use super::{RunError, Runner};
use crate::graph::{Bindings, Dim};

/// The figures of a plan; of [`Runner::summary`]. As polynomials of the symbols, before anything is fused, operations and bytes are
/// [`Runner::flops`] and [`Runner::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PlanSummary {
    /// Steps, each of one operation or of several that were fused.
    pub n_steps: usize,
    /// Products of matrices without a step of their own: they are computed in bands of rows inside of the step that reads them.
    pub n_banded_products: usize,
    /// Operations on floats, a multiply-add as two.
    pub flops: usize,
    /// Bytes that the steps read and write, each value once for each step.
    pub moved_bytes: usize,
    /// Bytes of the arena, which holds what lies between steps.
    pub arena_bytes: usize,
    /// The least that any layout of these steps in this order needs of it.
    pub least_arena_bytes: usize,
    /// Bytes of the inputs, the parameters and the outputs together.
    pub fed_bytes: usize,
}

/// A pass of planning and what it left, as text; of [`Runner::passes`].
///
/// A pass began with what the one before it left. Passes after the choice of an order are there once for each order that
/// was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The name of the pass.
    pub name: &'static str,
    /// What there was after it.
    pub text: String,
}

/// No array has a longer axis.
const LARGEST_SIZE: i64 = 1 << 46;

/// Whether a run with a size is within a budget of memory.
enum Room {
    Fits,
    /// It takes so many bytes.
    TooLarge(usize),
    /// It is an error.
    Impossible(RunError),
}

impl PlanSummary {
    /// Bytes of the arena and of all arrays that are fed and given. What a thread needs for itself, and constants, are left out.
    pub fn memory_bytes(&self) -> usize {
        self.arena_bytes.saturating_add(self.fed_bytes)
    }
}

impl Runner {
    /// The plan for these values of the symbols (those of the last call where none is given), as text: steps with what
    /// they compute and cost, the bodies of fused ones, and a map of the memory.
    ///
    /// # Errors
    /// [`RunError`] if a symbol has no value, or if there is no plan for these sizes.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8));
    /// let program = g.compile([("y", x.softmax(-1))])?;
    /// let plan = program.show([("batch", 32)])?;
    /// assert!(plan.starts_with("1 steps"), "{plan}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn show<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<String, RunError> {
        self.engine.show(&self.bindings(sizes)?)
    }

    /// What each pass of planning leaves for these values of the symbols (those of the last call where none is given): its
    /// name and the network, fusion groups or steps after it, as text. A reference program has none.
    ///
    /// # Errors
    /// [`RunError`] if a symbol has no value, or if there is no plan for these sizes.
    ///
    /// # Complexity
    /// One planning, whether these sizes were met before or not.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8));
    /// let program = g.compile([("y", x.softmax(-1))])?;
    /// let passes = program.passes([("batch", 32)])?;
    /// let groups = passes.iter().find(|pass| pass.name == "fusion groups").expect("a pass");
    /// assert!(groups.text.starts_with("group 0 over 32 × 8"), "{}", groups.text);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "dump_ir")]
    pub fn passes<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<Vec<Pass>, RunError> {
        self.engine.passes(&self.bindings(sizes)?)
    }

    /// Operations on floats of a run, as a polynomial of the symbols: those that are left after rewriting, gradients' too, op by
    /// op, as [`Graph::flops`](crate::Graph::flops) counts them. A plan may compute some of them twice, which
    /// [`PlanSummary::flops`] counts.
    ///
    /// # Complexity
    /// Linear in the number of nodes.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let scores = g.input("x", ("batch", 64)).dot(g.parameter("w", (64, 10), Initializer::Zeros));
    /// let step = g.compile_training(scores.sum())?;
    /// // 1280·batch for the product, 10·batch − 1 for the sum, and the gradient sums each column of x.
    /// assert_eq!(step.flops().to_string(), "1354*batch - 65");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flops(&self) -> Dim {
        self.engine.flops()
    }

    /// Bytes of every value of a run, as a polynomial of the symbols: those that are left after rewriting, gradients and what is
    /// fed among them, each once, as [`Graph::bytes`](crate::Graph::bytes) counts them. A plan that fuses keeps less.
    ///
    /// # Complexity
    /// Linear in the number of nodes.
    pub fn bytes(&self) -> Dim {
        self.engine.bytes()
    }

    /// The figures of the plan for these values of the symbols (those of the last call where none is given).
    ///
    /// # Errors
    /// [`RunError`] if a symbol has no value, or if there is no plan for these sizes.
    ///
    /// # Complexity
    /// One planning, unless these sizes were met before.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// let program = g.compile(x.dot(g.parameter("w", (64, 10), Initializer::Zeros)).tanh())?;
    /// let summary = program.summary([("batch", 32)])?;
    /// assert_eq!((summary.n_steps, summary.flops), (2, 32 * 10 * (2 * 64 + 1)));
    /// assert_eq!(summary.fed_bytes, 4 * (32 * 64 + 64 * 10 + 32 * 10));
    /// assert_eq!(program.flops().to_string(), "1290*batch");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn summary<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<PlanSummary, RunError> {
        let bindings = self.bindings(sizes)?;
        let mut summary = self.engine.summary(&bindings)?;
        summary.fed_bytes = self.fed_bytes(&bindings)?;
        Ok(summary)
    }

    fn fed_bytes(&self, bindings: &Bindings) -> Result<usize, RunError> {
        let mut arrays = self.signature.fed().chain(&self.signature.outputs);
        arrays.try_fold(0usize, |sum, array| Ok(sum.saturating_add(array.bytes(bindings)?)))
    }

    /// The largest value of a symbol, such as the size of a batch, for which a run takes at most so many bytes by
    /// [`PlanSummary::memory_bytes`]. `others` are the other symbols, which have the values of the last call where none is given.
    ///
    /// Memory is taken to grow with the size. Sizes for which an operation has no value do not fit.
    ///
    /// # Errors
    /// [`RunError`] if a symbol is unknown or has no value; [`RunError::OverBudget`] if no size fits, with what the least size
    /// takes; the error of size 1 if the program runs with no size.
    ///
    /// # Complexity
    /// Two plannings for each binary digit of the size that is found.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// let program = g.compile(x.dot(g.parameter("w", (64, 10), Initializer::Zeros)))?;
    /// // 4·(64·10) bytes of weights, and 4·(64 + 10) for each row.
    /// assert_eq!(program.largest("batch", 1_000_000, [])?, (1_000_000 - 2560) / 296);
    /// let error = program.largest("batch", 2000, []).unwrap_err().to_string();
    /// assert!(error.starts_with("a run with `batch` = 1 takes 2856 bytes"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn largest<'n>(
        &self,
        symbol: &'n str,
        bytes: usize,
        others: impl IntoIterator<Item = (&'n str, i64)>,
    ) -> Result<i64, RunError> {
        let others: Vec<(&str, i64)> = others.into_iter().collect();
        let room = |size: i64| match self.summary(others.iter().copied().chain([(symbol, size)])) {
            Ok(summary) if summary.memory_bytes() <= bytes => Ok(Room::Fits),
            Ok(summary) => Ok(Room::TooLarge(summary.memory_bytes())),
            Err(error @ (RunError::UnknownSymbol { .. } | RunError::UnboundSymbol { .. })) => Err(error),
            Err(error) => Ok(Room::Impossible(error)),
        };
        largest_size(room)?.map_err(|reason| match reason {
            NoSize::Impossible(error) => error,
            NoSize::TooLarge { size, needed } => {
                RunError::OverBudget { symbol: symbol.to_owned(), size, needed, budget: bytes }
            }
        })
    }
}

/// Why no size fits.
enum NoSize {
    /// The least size that is possible takes so many bytes.
    TooLarge { size: i64, needed: usize },
    /// No size is possible; the error of the first that was tried.
    Impossible(RunError),
}

/// The largest size from 1 on that fits, by doubling and then halving.
fn largest_size(room: impl Fn(i64) -> Result<Room, RunError>) -> Result<Result<i64, NoSize>, RunError> {
    // What is at most `low` fits, or is too small for an operation; `high` is too large, or beyond every array.
    let (mut low, mut high, mut size) = (0, LARGEST_SIZE + 1, 1);
    let (mut fits, mut over, mut first_error) = (None, None, None);
    while high - low > 1 {
        match room(size)? {
            Room::Fits => (fits, low) = (Some(size), size),
            Room::TooLarge(needed) => (over, high) = (Some(NoSize::TooLarge { size, needed }), size),
            // Too small as long as no size was possible, and too large beyond one that was.
            Room::Impossible(error) => {
                first_error.get_or_insert(error);
                *(if fits.is_none() { &mut low } else { &mut high }) = size;
            }
        }
        size = if high > LARGEST_SIZE { 2 * size } else { low + (high - low) / 2 };
        size = size.clamp(low + 1, (high - 1).max(low + 1));
    }
    let reason = || over.or(first_error.map(NoSize::Impossible)).expect("invariant: the first size was tried");
    Ok(fits.ok_or_else(reason))
}
