//! Where in a sequence something is: rows that are learned, waves, and rotations of queries and keys. In: an array with the
//! positions before its last axis. Out: the array with its positions in it.

use super::{Declaration, Layer};
use crate::{
    graph::{Axes, DType, Dim, Expr, Graph, GraphError, Initializer, LayerScope, Site, Slice},
    nn::check::either,
};

/// A learned row for each position, which is added: `y[…, t, :] = x[…, t, :] + P[t]`, with the parameter `name.weight`.
///
/// # Shapes
/// x: `[…, time, width]`, weight: `[positions, width]` → the shape of x. The time may be a symbol.
///
/// # Errors
/// An error is recorded if the name is taken, if x has another width, or if its time is larger than the number of
/// positions; where that is a symbol, it is an error of the run.
///
/// # Source
/// Gehring, Auli, Grangier, Yarats and Dauphin, *Convolutional sequence to sequence learning*, 2017; the deviation of 0.02
/// is that of Radford, Narasimhan, Salimans and Sutskever, *Improving language understanding by generative pre-training*,
/// 2018.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, nn::{Embedding, Layer, LearnedPositions}};
/// let g = Graph::new();
/// let (words, positions) = (Embedding::new(&g, "words", 1000, 64), LearnedPositions::new(&g, "positions", 256, 64));
/// let ids = g.input_of(DType::I64, "ids", ("batch", "time"));
/// assert_eq!(positions.call(words.call(ids)).ty().to_string(), "f32[batch, time, 64]");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LearnedPositions<'g> {
    scope: LayerScope,
    weight: Expr<'g>,
}

/// What may be chosen of [`LearnedPositions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearnedPositionsOptions {
    /// How the rows start.
    pub weight: Initializer,
    /// The dtype of the rows.
    pub dtype: DType,
}

impl Default for LearnedPositionsOptions {
    /// Normal with deviation 0.02, f32.
    fn default() -> LearnedPositionsOptions {
        LearnedPositionsOptions { weight: Initializer::Normal { mean: 0.0, deviation: 0.02 }, dtype: DType::F32 }
    }
}

impl<'g> LearnedPositions<'g> {
    /// Rows with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, positions: usize, width: usize) -> LearnedPositions<'g> {
        let _frame = g.enter("LearnedPositions::new", Site::caller());
        LearnedPositions::with(g, name, positions, width, LearnedPositionsOptions::default())
    }

    /// [`LearnedPositions::new`] with options.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        positions: usize,
        width: usize,
        options: LearnedPositionsOptions,
    ) -> LearnedPositions<'g> {
        let _frame = g.enter("LearnedPositions::with", Site::caller());
        let LearnedPositionsOptions { weight, dtype } = options;
        let declaration = Declaration { graph: g, layer: name, dtype };
        let weight = either(declaration.parameter("weight", &[positions.into(), width.into()], weight));
        LearnedPositions { scope: declaration.scope(), weight }
    }

    /// P, `[positions, width]`.
    pub fn weight(&self) -> Expr<'g> {
        self.weight
    }

    /// The rows of some positions, as a step of decoding needs them.
    ///
    /// # Shapes
    /// positions: `i64[…]` → `[…, width]`.
    ///
    /// # Errors
    /// An error is recorded if the positions are not `i64`. One that is not in the table is an error of the run.
    #[track_caller]
    pub fn at(&self, positions: Expr<'g>) -> Expr<'g> {
        let _frame = positions.enter_layer("LearnedPositions::at", self.scope);
        self.weight.gather(positions, 0)
    }
}

impl<'g> Layer<'g> for LearnedPositions<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("LearnedPositions", self.scope);
        let g = x.graph();
        if let Some(poison) = g.refuse(&[x, self.weight]) {
            return poison;
        }
        let width = self.weight.shape()[1].clone();
        let added = x.check_time().and_then(|time| {
            x.check_width("the input", &width)?;
            let stop = [time, width].into_iter().collect();
            let first = Slice { start: [0, 0].map(Dim::from).into_iter().collect(), stop, step: Axes::from_elem(1, 2) };
            Ok(x + g.apply(first, &[self.weight]))
        });
        either(added)
    }
}

/// Waves of each position, which are added, without parameters: y[…, t, 2i] = x[…, t, 2i] + sin(t·b^(−2i/width)) and
/// y[…, t, 2i + 1] = x[…, t, 2i + 1] + cos(t·b^(−2i/width)), b = [`base`](SinusoidalPositions::base). They are computed in `f64`
/// and rounded once, when the graph is compiled where the time is a number.
///
/// # Shapes
/// x: `[…, time, width]` → the same.
///
/// # Errors
/// An error is recorded if x is no float, has fewer than two axes, or a width that is a symbol or odd.
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, section 3.5.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, nn::{Layer, SinusoidalPositions}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 12, 64));
/// assert_eq!(SinusoidalPositions::default().call(x).shape(), x.shape());
/// let position = g.input_of(DType::I64, "position", ());
/// assert_eq!(SinusoidalPositions::default().at(position, 64, DType::F32).ty().to_string(), "f32[64]");
/// ```
#[doc(alias = "PositionalEncoding")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SinusoidalPositions {
    /// b: the longest wave has the length 2π·b.
    pub base: f64,
}

impl Default for SinusoidalPositions {
    /// Base 10,000.
    fn default() -> SinusoidalPositions {
        SinusoidalPositions { base: BASE }
    }
}

/// That of Vaswani et al. and of Su et al.
const BASE: f64 = 10_000.0;

impl SinusoidalPositions {
    /// The waves of some positions, as a step of decoding needs them.
    ///
    /// # Shapes
    /// positions: `i64[…]` → `[…, width]`.
    ///
    /// # Errors
    /// An error is recorded if the positions are not `i64`, if the width is odd, or if the base is not positive.
    #[track_caller]
    pub fn at<'g>(&self, positions: Expr<'g>, width: usize, dtype: DType) -> Expr<'g> {
        let _frame = positions.enter("SinusoidalPositions::at");
        either(positions.angles(width, self.base).map(|angles| {
            let waves = angles.sin().stack([angles.cos()], -1).flatten(positions.rank());
            waves.cast(dtype)
        }))
    }
}

impl<'g> Layer<'g> for SinusoidalPositions {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter("SinusoidalPositions");
        either(x.check_time().and_then(|time| {
            let width = x.features()?;
            let positions = x.graph().iota(DType::I64, [time], 0);
            Ok(x + self.at(positions, width, x.dtype()))
        }))
    }
}

/// Which features are rotated together by [`Expr::rotary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotaryLayout {
    /// Feature i with feature i + width/2, as in GPT-NeoX and the published weights of LLaMA for `transformers`.
    Halves,
    /// Feature 2i with feature 2i + 1, as in the paper and GPT-J.
    Pairs,
}

/// What may be chosen of [`Expr::rotary`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RotaryOptions {
    /// Which features are rotated together.
    pub layout: RotaryLayout,
    /// b: the slowest rotation has the period 2π·b.
    pub base: f64,
    /// How many features are rotated, from the first on; the others stay. None: all.
    pub width: Option<usize>,
}

impl Default for RotaryOptions {
    /// [`RotaryLayout::Halves`], base 10,000, all features.
    fn default() -> RotaryOptions {
        RotaryOptions { layout: RotaryLayout::Halves, base: BASE, width: None }
    }
}

impl<'g> Expr<'g> {
    /// Pairs of features, rotated by angles in proportion to the position, so that the product of a query with a key depends
    /// on how far they are from each other: (u, v) ↦ (u·cos θᵢ − v·sin θᵢ, v·cos θᵢ + u·sin θᵢ) with
    /// θᵢ = position·b^(−2i/width) for pair i. The angles are computed in `f64`.
    ///
    /// Weights of projections made for one layout do for the other if their columns are ordered anew.
    ///
    /// # Shapes
    /// x: `[…, time, width]`, positions: `i64`, of a shape that broadcasts to `[…, time]` → the shape of x.
    ///
    /// # Errors
    /// An error is recorded if x is no float, has no axis, or a width that is a symbol, if the number of rotated features is
    /// odd or larger than the width, if the positions are not `i64` or do not broadcast, or if the base is not positive.
    ///
    /// # Source
    /// Su, Lu, Pan, Murtadha, Wen and Liu, *RoFormer: enhanced transformer with rotary position embedding*, 2021, eq. 15
    /// and 34.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, nn::RotaryOptions};
    /// let g = Graph::new();
    /// let query = g.input("query", ("batch", 4, "time", 64));
    /// let positions = g.iota(DType::I64, ("time",), 0);
    /// assert_eq!(query.rotary(positions, RotaryOptions::default()).shape(), query.shape());
    /// ```
    #[doc(alias("rope", "apply_rotary_pos_emb"))]
    #[track_caller]
    pub fn rotary(self, positions: Expr<'g>, options: RotaryOptions) -> Expr<'g> {
        let _frame = self.enter("rotary");
        either(self.rotated(positions, options))
    }

    fn rotated(self, positions: Expr<'g>, options: RotaryOptions) -> Result<Expr<'g>, Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, positions]) {
            return Err(poison);
        }
        let features = self.features()?;
        let width = options.width.unwrap_or(features);
        if width > features {
            let (what, expected) = ("the number of rotated features", "at most the size of the last axis");
            let found = format!("{width} of {features}");
            return Err(g.report(GraphError::OutOfRange { what, expected, found }, &[self]));
        }
        // The angles are not repeated as the positions are here: this asks whether they could be.
        let placed = positions.broadcast_to(self.shape().without(&[self.rank() - 1]));
        if placed.is_poisoned() {
            return Err(placed);
        }
        let angles = positions.angles(width, options.base)?;
        let (cos, sin) = (angles.cos().cast(self.dtype()), angles.sin().cast(self.dtype()));
        let (turned, rest) = if width == features {
            (self, None)
        } else {
            let parts = self.split([width, features - width], -1);
            (parts[0], Some(parts[1]))
        };
        let turn = |u: Expr<'g>, v: Expr<'g>| (u * cos - v * sin, v * cos + u * sin);
        let turned = match options.layout {
            RotaryLayout::Halves => {
                let halves = turned.split(2, -1);
                let (u, v) = turn(halves[0], halves[1]);
                u.concat([v], -1)
            }
            RotaryLayout::Pairs => {
                let pairs = turned.reshape(self.paired(width));
                let (u, v) = turn(pairs.element_of_pair(0), pairs.element_of_pair(1));
                u.stack([v], -1).flatten(self.rank() - 1)
            }
        };
        Ok(rest.map_or(turned, |rest| turned.concat([rest], -1)))
    }

    /// The shape of this array with its first `width` features in pairs.
    fn paired(self, width: usize) -> Vec<Dim> {
        let shape = self.shape();
        shape.iter().take(shape.rank() - 1).cloned().chain([Dim::from(width / 2), Dim::from(2)]).collect()
    }

    /// One of the two elements along the last axis, which is removed.
    fn element_of_pair(self, position: usize) -> Expr<'g> {
        self.split(2, -1)[position].squeeze(-1)
    }

    /// position·b^(−2i/width) for each i < width/2, in `f64`: `[…]` → `[…, width/2]`.
    fn angles(self, width: usize, base: f64) -> Result<Expr<'g>, Expr<'g>> {
        let g = self.graph();
        self.check_integer("i64 positions")?;
        let refuse = |what, expected, found| Err(g.report(GraphError::OutOfRange { what, expected, found }, &[self]));
        if width % 2 == 1 {
            return refuse("the number of features", "even", width.to_string());
        }
        if !(base > 0.0 && base.is_finite()) {
            return refuse("the base", "positive and finite", base.to_string());
        }
        let pair = g.iota(DType::F64, (width / 2,), 0);
        let frequencies = (pair * (-2.0 * libm::log(base) / width.max(1) as f64)).exp();
        Ok(self.cast(DType::F64).unsqueeze(-1) * frequencies)
    }

    /// The size of the axis before the last.
    fn check_time(self) -> Result<Dim, Expr<'g>> {
        self.check_last_axis()?;
        let shape = self.shape();
        match shape.rank() {
            1 => {
                let error = GraphError::Rank { expected: "at least 2".into(), found: shape };
                Err(self.graph().report(error, &[self]))
            }
            rank => Ok(shape[rank - 2].clone()),
        }
    }

    /// The number of features.
    fn features(self) -> Result<usize, Expr<'g>> {
        let features = self.check_features()?.as_number();
        Ok(features.and_then(|number| usize::try_from(number).ok()).expect("invariant: sizes are checked"))
    }
}
