//! Whole models under one name: linear scores and networks of several layers. In: an expression. Out: scores. What they
//! are compared with is a loss's business; nothing here is more than layers put together.

use super::{check::either, layers::linear_map, linear};
use crate::graph::{Dim, Expr, Initializer};

/// The score of a linear classifier for two classes: f = ⟨β, x⟩ over the last axis, with the parameter `name.weight` =
/// β from zeros, at which every convex loss may start. There is no intercept: append a column of ones to x, or use
/// [`linear`](super::linear).
///
/// With [`logistic_loss`](super::logistic_loss) it is logistic regression, and [`label_probability`] is its
/// P(y | x, β); with [`hinge_loss`](super::hinge_loss) it is the linear support vector machine. On features that were
/// lifted first ([`Expr::append_norm`]) it separates what no line separates, without a kernel.
///
/// # Shapes
/// x: `[…, in]`, weight: `[in]` → `[…]`.
///
/// # Errors
/// An error is recorded if x is no float, has no axis or a last axis whose size is a symbol, or if the name is taken.
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 4.4.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{linear_score, logistic_loss}};
/// let g = Graph::new();
/// let (x, y) = (g.input("x", ("batch", 2)), g.input("y", ("batch",)));
/// let risk = logistic_loss(linear_score(x, "beta"), y).mean();
/// assert_eq!(g.named("beta.weight").unwrap().ty().to_string(), "f32[2]");
/// let step = g.compile_training(risk)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn linear_score<'g>(x: Expr<'g>, name: &str) -> Expr<'g> {
    let _frame = x.enter("linear_score");
    let build = |features: Dim| Ok(x.dot(x.parameter_beside(name, "weight", &[features], Initializer::Zeros)?));
    either(x.check_features().and_then(build))
}

/// The probability that logistic regression gives a label, elementwise: P(y | f) = 1/(1 + e^(−y·f)), with y = −1 or 1.
/// The two probabilities of a score sum to 1.
///
/// # Shapes
/// scores and labels: any, equal; they are not broadcast.
///
/// # Errors
/// An error is recorded if the scores are no floats, or if the labels are of another type: they are floats too.
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 4.4.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, nn::label_probability};
/// let g = Graph::new();
/// let (score, label) = (g.input_of(DType::F64, "score", ()), g.input_of(DType::F64, "label", ()));
/// let mut program = g.compile(label_probability(score, label))?;
/// let odds = 3f64; // e^f for the label 1
/// let out = program.call((("score", &odds.ln()), ("label", 1.0)))?;
/// assert!((out.scalar::<f64>("result").unwrap() - 0.75).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn label_probability<'g>(scores: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = scores.enter("label_probability");
    either(scores.check_alike(labels, "the labels").map(|()| (labels * scores).sigmoid()))
}

/// A feed-forward network: h₀ = x, hᵢ = σ(hᵢ₋₁·Wᵢ + bᵢ) for each hidden width, and the scores h·B, with σ =
/// `activation`.
///
/// With the hidden widths `[m]` and one output it is βᵀσ(W₁x + b₁), with `[m₁, m₂]` it is βᵀσ(W₂σ(W₁x + b₁) + b₂), and
/// with more outputs Bσ(W₁x + b₁); with no hidden width it is x·B. The parameters are those of [`hidden_layers`] and
/// `name.out.weight` = B, without a bias; for one, use [`linear`](super::linear) on [`hidden_layers`].
///
/// # Shapes
/// x: `[…, in]` → `[…, outputs]`; one output keeps its axis, which `squeeze(-1)` removes.
///
/// # Errors
/// An error is recorded if x is no float, has no axis or a last axis whose size is a symbol, or if a name is taken.
///
/// # Source
/// Goodfellow, Bengio and Courville, *Deep Learning*, 2016, chapter 6.
///
/// # Example
/// ```
/// use pullback::{Expr, Graph, nn::perceptron};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 2));
/// let scores = perceptron(x, "net", &[16, 8], 3, Expr::tanh);
/// assert_eq!(scores.ty().to_string(), "f32[batch, 3]");
/// let names: Vec<String> = g.parameters().iter().filter_map(|parameter| parameter.name()).collect();
/// assert_eq!(names, ["net.1.weight", "net.1.bias", "net.2.weight", "net.2.bias", "net.out.weight"]);
/// ```
#[doc(alias("mlp", "feed_forward"))]
#[track_caller]
pub fn perceptron<'g>(
    x: Expr<'g>,
    name: &str,
    hidden: &[usize],
    outputs: usize,
    activation: impl Fn(Expr<'g>) -> Expr<'g>,
) -> Expr<'g> {
    let _frame = x.enter("perceptron");
    linear_map(hidden_layers(x, name, hidden, activation), &format!("{name}.out"), outputs)
}

/// The layers σ(x·Wᵢ + bᵢ) one after another, one for each width, with σ = `activation` and the parameters
/// `name.i.weight` and `name.i.bias`, i from 1, as [`linear`](super::linear) declares them.
///
/// # Shapes
/// x: `[…, in]` → `[…, last width]`; x itself without widths.
///
/// # Errors
/// As for [`perceptron`]; an error in one layer is reported once, not for each layer after it.
///
/// # Example
/// ```
/// use pullback::{Expr, Graph, nn::{hidden_layers, linear}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 64));
/// let logits = linear(hidden_layers(x, "hidden", &[128, 64], Expr::relu), "out", 10);
/// assert_eq!(logits.ty().to_string(), "f32[batch, 10]");
/// ```
#[track_caller]
pub fn hidden_layers<'g>(
    x: Expr<'g>,
    name: &str,
    widths: &[usize],
    activation: impl Fn(Expr<'g>) -> Expr<'g>,
) -> Expr<'g> {
    let _frame = x.enter("hidden_layers");
    let layer = |x, (position, width): (usize, &usize)| activation(linear(x, &format!("{name}.{position}"), *width));
    (1..).zip(widths).fold(x, layer)
}

impl<'g> Expr<'g> {
    /// x with its Euclidean length as one more feature: (x₁, …, xₙ) → (x₁, …, xₙ, √Σxᵢ²). In the plane this is the cone
    /// z = √(x² + y²), on which a circle around 0 is cut out by a plane: a linear classifier then separates the inside
    /// from the outside. The derivative of the length is 0 at 0.
    ///
    /// # Shapes
    /// `[…, n]` → `[…, n + 1]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has no axis.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("batch", 2));
    /// let mut program = g.compile(x.append_norm())?;
    /// let out = program.call(("x", &array![[3.0, 4.0], [0.0, 0.0]]))?;
    /// assert_eq!(out["result"], array![[3.0, 4.0, 5.0], [0.0, 0.0, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn append_norm(self) -> Expr<'g> {
        let _frame = self.enter("append_norm");
        either(self.check_last_axis().map(|_| self.concat([self.norm_over(-1).unsqueeze(-1)], -1)))
    }
}
