//! Rows of a table by their numbers. In: a graph and sizes, then ids. Out: a layer, then the rows.

use super::{Declaration, Layer};
use crate::{
    graph::{DType, Expr, Graph, GraphError, Initializer, LayerScope, Site},
    nn::check::either,
};

/// A learned row for each id: `y[i…] = E[idᵢ]`, with the parameter `name.weight`. [`Embedding::logits`] uses the same table
/// as the last layer of a language model.
///
/// # Shapes
/// ids: `i64[…]`, weight: `[ids, width]` → `[…, width]`.
///
/// # Errors
/// An error is recorded if the name is taken, if the padding id is not less than the number of ids, or if the layer is called
/// with anything but `i64`. An id below 0 or beyond the table is an error of the run.
///
/// # Source
/// Bengio, Ducharme, Vincent and Jauvin, *A neural probabilistic language model*, 2003. The table starts normal with
/// deviation 1, as PyTorch's `nn.Embedding` does.
///
/// # Example
/// A bigram model whose input and output share a table:
/// ```
/// use pullback::{DType, Graph, nn::{Embedding, Layer}};
/// let g = Graph::new();
/// let table = Embedding::new(&g, "table", 1000, 64);
/// let words = g.input_of(DType::I64, "words", ("batch", 12));
/// let rows = table.call(words);
/// assert_eq!(rows.ty().to_string(), "f32[batch, 12, 64]");
/// assert_eq!(table.logits(rows.tanh()).ty().to_string(), "f32[batch, 12, 1000]");
/// assert_eq!(g.parameters().len(), 1);
/// ```
#[doc(alias = "Embed")]
#[derive(Debug, Clone, Copy)]
pub struct Embedding<'g> {
    scope: LayerScope,
    weight: Expr<'g>,
    padding: Option<i64>,
}

/// What may be chosen of an [`Embedding`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddingOptions {
    /// How the table starts.
    pub weight: Initializer,
    /// The id that stands for no word: a call gives zeros for it, whatever the table holds, and its row has no
    /// gradient from calls.
    pub padding: Option<usize>,
    /// The dtype of the table.
    pub dtype: DType,
}

impl Default for EmbeddingOptions {
    /// Normal with deviation 1, no padding id, f32.
    fn default() -> EmbeddingOptions {
        EmbeddingOptions { weight: Initializer::Normal { mean: 0.0, deviation: 1.0 }, padding: None, dtype: DType::F32 }
    }
}

impl<'g> Embedding<'g> {
    /// A table with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, ids: usize, width: usize) -> Embedding<'g> {
        let _frame = g.enter("Embedding::new", Site::caller());
        Embedding::with(g, name, ids, width, EmbeddingOptions::default())
    }

    /// [`Embedding::new`] with options.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, Initializer, nn::{Embedding, EmbeddingOptions, Layer}};
    /// let g = Graph::new();
    /// let options = EmbeddingOptions { weight: Initializer::Constant(2.0), padding: Some(0), ..EmbeddingOptions::default() };
    /// let table = Embedding::with(&g, "table", 10, 2, options);
    /// let rows = table.call(g.input_of(DType::I64, "ids", ("n",)));
    /// let mut program = g.compile(rows)?;
    /// let out = program.run(&g.initialize(0)?, ("ids", &array![7i64, 0]))?;
    /// assert_eq!(out["result"], array![[2.0f32, 2.0], [0.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, ids: usize, width: usize, options: EmbeddingOptions) -> Embedding<'g> {
        let _frame = g.enter("Embedding::with", Site::caller());
        let EmbeddingOptions { weight, padding, dtype } = options;
        if let Some(id) = padding.filter(|id| *id >= ids) {
            let (what, expected) = ("the padding id", "less than the number of ids");
            let error = GraphError::OutOfRange { what, expected, found: format!("{id} of {ids} ids") };
            return Embedding { scope: LayerScope::NONE, weight: g.report(error, &[]), padding: None };
        }
        let declaration = Declaration { graph: g, layer: name, dtype };
        let weight = either(declaration.parameter("weight", &[ids.into(), width.into()], weight));
        Embedding { scope: declaration.scope(), weight, padding: padding.map(|id| id as i64) }
    }

    /// E, `[ids, width]`.
    pub fn weight(&self) -> Expr<'g> {
        self.weight
    }

    /// A score for each id, from the table that also gives the rows: h·Eᵀ. The padding id has one too, by its row in the table.
    ///
    /// # Shapes
    /// h: `[…, width]` → `[…, ids]`.
    ///
    /// # Errors
    /// An error is recorded if the last axis of h has another size than `width`.
    ///
    /// # Source
    /// Press and Wolf, *Using the output embedding to improve language models*, 2017.
    #[doc(alias("attend", "tied"))]
    #[track_caller]
    pub fn logits(&self, h: Expr<'g>) -> Expr<'g> {
        let _frame = h.enter_layer("Embedding::logits", self.scope);
        h.dot(self.weight.t())
    }
}

impl<'g> Layer<'g> for Embedding<'g> {
    #[track_caller]
    fn call(&self, ids: Expr<'g>) -> Expr<'g> {
        let _frame = ids.enter_layer("Embedding", self.scope);
        let rows = self.weight.gather(ids, 0);
        match self.padding {
            Some(padding) if !rows.is_poisoned() => ids.equal(padding).unsqueeze(-1).select(0.0, rows),
            _ => rows,
        }
    }
}
