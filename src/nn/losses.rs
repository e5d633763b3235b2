//! What is minimized, and what is counted: for each row or element the loss of a prediction. In: predictions and
//! targets of equal shapes, which are never broadcast. Out: one loss each; `.mean()` is the empirical risk, `.sum()`
//! its total.

use super::check::either;
use crate::graph::{Expr, GraphError, Shape};

/// The negative log-likelihood of one class for each row: −ln pᵧ with p = softmax(logits) and y its label.
///
/// It is computed from the logarithm of softmax, so it is finite with the derivative softmax(logits) − onehot(label)
/// for logits as large as the dtype holds. A row with −∞ at its label has the loss +∞.
///
/// # Shapes
/// logits: `[…, classes]`, labels: `i64[…]` → `[…]`.
///
/// # Errors
/// An error is recorded if the logits are no floats or have no axis, or if the labels are not `i64` or of another
/// shape. A label below 0 or not below the number of classes is an error of the run that names this line.
///
/// # Source
/// Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.3.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, nn::cross_entropy};
/// let g = Graph::new();
/// let logits = g.input_of(DType::F64, "logits", ("batch", 2));
/// let labels = g.input_of(DType::I64, "labels", ("batch",));
/// let mut program = g.compile(cross_entropy(logits, labels))?;
/// let (logits, labels) = (array![[0.0, 0.0], [0.0, -1e9]], array![1i64, 1]);
/// let out = program.call((("logits", &logits), ("labels", &labels)))?;
/// assert_eq!(out["result"], array![2f64.ln(), 1e9].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("sparse_categorical_crossentropy", "nll_loss"))]
#[track_caller]
pub fn cross_entropy<'g>(logits: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = logits.enter("cross_entropy");
    either(check_labels(logits, labels).map(|()| {
        let log_probability = logits.log_softmax(-1).take_along(labels.unsqueeze(-1), -1);
        -log_probability.squeeze(-1)
    }))
}

fn check_labels<'g>(logits: Expr<'g>, labels: Expr<'g>) -> Result<(), Expr<'g>> {
    let g = logits.graph();
    if let Some(poison) = g.refuse(&[logits, labels]) {
        return Err(poison);
    }
    logits.check_last_axis()?;
    labels.check_integer("i64 labels")?;
    let (shape, found) = (logits.shape(), labels.shape());
    let expected = Shape::from(&shape[..shape.rank() - 1]);
    if found != expected {
        return Err(g.report(GraphError::WrongShape { what: "the labels", expected, found }, &[logits, labels]));
    }
    Ok(())
}

/// The cross-entropy of each row to a distribution over the classes: −Σⱼ pⱼ·ln softmax(logits)ⱼ.
///
/// The probabilities may be learned or smoothed; that they sum to 1 is not checked. A class of probability 0 counts as
/// 0 even where its logit is −∞.
///
/// # Shapes
/// logits and probabilities: `[…, classes]` → `[…]`.
///
/// # Errors
/// An error is recorded if the logits are no floats or have no axis, or if the probabilities are of another type.
///
/// # Source
/// Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 3.13.
#[doc(alias("categorical_crossentropy", "soft_labels"))]
#[track_caller]
pub fn cross_entropy_with_probabilities<'g>(logits: Expr<'g>, probabilities: Expr<'g>) -> Expr<'g> {
    let _frame = logits.enter("cross_entropy_with_probabilities");
    let checked = logits.check_alike(probabilities, "the probabilities").and_then(|()| logits.check_last_axis());
    either(checked.map(|_| {
        let logarithms = logits.log_softmax(-1);
        let counts = probabilities.not_equal(0.0).or(logarithms.is_finite());
        -counts.select(probabilities * logarithms, 0.0).sum_over(-1)
    }))
}

/// The Kullback–Leibler divergence of each row of q from that of p: KL(p‖q) = Σⱼ pⱼ·ln(pⱼ/qⱼ).
///
/// A class with pⱼ = 0 counts as 0, its derivatives too (the one by pⱼ would be −∞); one with qⱼ = 0 < pⱼ gives +∞. The
/// derivatives elsewhere are ln(pⱼ/qⱼ) + 1 and −pⱼ/qⱼ, of pⱼ and qⱼ as free numbers. That the rows sum to 1 is not
/// checked. Where q is a softmax, [`cross_entropy_with_probabilities`] loses no digits; [`cross_entropy`] is
/// KL(eᵧ‖softmax(f)).
///
/// # Shapes
/// p and q: `[…, classes]`, equal → `[…]`; they are not broadcast.
///
/// # Errors
/// An error is recorded if p is no float or has no axis, or if q is of another type.
///
/// # Source
/// Kullback and Leibler, *On information and sufficiency*, 1951, eq. 2.4; Cover and Thomas, *Elements of Information
/// Theory*, 2nd edition, 2006, section 2.3, for 0·ln 0 = 0.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, nn::kl_divergence};
/// let g = Graph::new();
/// let (p, q) = (g.input_of(DType::F64, "p", ("batch", 2)), g.input_of(DType::F64, "q", ("batch", 2)));
/// let mut program = g.compile(kl_divergence(p, q))?;
/// let (p, q) = (array![[0.0, 1.0], [0.5, 0.5]], array![[0.5, 0.5], [0.5, 0.5]]);
/// let out = program.call((("p", &p), ("q", &q)))?;
/// assert_eq!(out["result"], array![2f64.ln(), 0.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "kl_div")]
#[track_caller]
pub fn kl_divergence<'g>(p: Expr<'g>, q: Expr<'g>) -> Expr<'g> {
    let _frame = p.enter("kl_divergence");
    let checked = p.check_alike(q, "the second distribution").and_then(|()| p.check_last_axis());
    either(checked.map(|_| {
        // Both are replaced before the logarithms, so that no 0·∞ arises in a derivative.
        let counts = p.not_equal(0.0);
        let (p, q) = (counts.select(p, 1.0), counts.select(q, 1.0));
        counts.select(p * (p.log() - q.log()), 0.0).sum_over(-1)
    }))
}

/// Whether the greatest score of each row belongs to another class than its label: 1 if it does, 0 if not, in the dtype
/// of the scores, so that `.mean()` is the error rate. The classifier is argmaxᵢ fᵢ(x), the first of ties; a row with
/// NaN in it is an error wherever the label is not its first NaN. The derivative is 0.
///
/// # Shapes
/// scores: `[…, classes]`, labels: `i64[…]` → `[…]`.
///
/// # Errors
/// An error is recorded as for [`cross_entropy`]. A label that is no class counts as an error of the classifier.
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 2.4.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, nn::zero_one_loss};
/// let g = Graph::new();
/// let scores = g.input("scores", ("batch", 3));
/// let labels = g.input_of(DType::I64, "labels", ("batch",));
/// let mut program = g.compile(zero_one_loss(scores, labels).mean())?;
/// let (scores, labels) = (array![[0.1f32, 2.0, 0.3], [1.0, 0.0, 0.5]], array![1i64, 2]);
/// let out = program.call((("scores", &scores), ("labels", &labels)))?;
/// assert_eq!(out.scalar::<f32>("result"), Ok(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("misclassification", "accuracy"))]
#[track_caller]
pub fn zero_one_loss<'g>(scores: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = scores.enter("zero_one_loss");
    either(check_labels(scores, labels).map(|()| scores.argmax(-1).not_equal(labels).cast(scores.dtype())))
}

/// Whether the sign of a score for two classes is wrong, elementwise: 1 unless y·f > 0, with the label y = −1 or 1, in
/// the dtype of the scores. A score of 0 decides nothing and is an error, and so is NaN. The derivative is 0.
///
/// # Shapes
/// scores and labels: any, equal; they are not broadcast.
///
/// # Errors
/// As for [`logistic_loss`].
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 10.6, where y·f
/// is the margin.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Graph, nn::binary_zero_one_loss};
/// let g = Graph::new();
/// let (scores, labels) = (g.input("scores", (3,)), g.input("labels", (3,)));
/// let mut program = g.compile(binary_zero_one_loss(scores, labels))?;
/// let (scores, labels) = (array![0.5f32, 0.5, 0.0], array![1f32, -1.0, 1.0]);
/// let out = program.call((("scores", &scores), ("labels", &labels)))?;
/// assert_eq!(out["result"], array![0f32, 1.0, 1.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "sign_misclassification")]
#[track_caller]
pub fn binary_zero_one_loss<'g>(scores: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = scores.enter("binary_zero_one_loss");
    let is_wrong = |()| (labels * scores).greater(0.0).logical_not().cast(scores.dtype());
    either(scores.check_alike(labels, "the labels").map(is_wrong))
}

/// The square of the error, elementwise: (prediction − target)².
///
/// # Shapes
/// prediction and target: any, equal; they are not broadcast, because `[n]` against `[n, 1]` would be n² errors.
///
/// # Errors
/// An error is recorded if the prediction is no float, or if the target is of another type.
///
/// # Example
/// ```
/// # use pullback::{Graph, nn::squared_error};
/// let g = Graph::new();
/// let (prediction, target) = (g.input("prediction", ("batch", 1)), g.input("target", ("batch",)));
/// squared_error(prediction, target);
/// let report = g.check().unwrap_err().to_string();
/// assert!(report.contains("the target must have shape [batch, 1], found [batch]"));
/// ```
#[doc(alias("mse", "mse_loss"))]
#[track_caller]
pub fn squared_error<'g>(prediction: Expr<'g>, target: Expr<'g>) -> Expr<'g> {
    let _frame = prediction.enter("squared_error");
    either(prediction.check_alike(target, "the target").map(|()| (prediction - target).powi(2)))
}

/// The logistic loss of a score for two classes, elementwise: ln(1 + e^(−y·f)) with the label y = −1 or 1. It is the
/// cross-entropy of the logits (0, f), finite with the right derivative for every finite score.
///
/// # Shapes
/// scores and labels: any, equal; they are not broadcast.
///
/// # Errors
/// An error is recorded if the scores are no floats, or if the labels are of another type: they are floats too.
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 10.6.
#[doc(alias("binary_cross_entropy_with_logits", "bce"))]
#[track_caller]
pub fn logistic_loss<'g>(scores: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = scores.enter("logistic_loss");
    either(scores.check_alike(labels, "the labels").map(|()| (-(labels * scores)).softplus()))
}

/// The hinge loss of a score for two classes, elementwise: max(1 − y·f, 0) with the label y = −1 or 1; derivative 0 at
/// the kink y·f = 1.
///
/// # Shapes
/// scores and labels: any, equal; they are not broadcast.
///
/// # Errors
/// As for [`logistic_loss`].
///
/// # Source
/// Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 12.3.2.
#[doc(alias = "svm")]
#[track_caller]
pub fn hinge_loss<'g>(scores: Expr<'g>, labels: Expr<'g>) -> Expr<'g> {
    let _frame = scores.enter("hinge_loss");
    either(scores.check_alike(labels, "the labels").map(|()| (1.0 - labels * scores).relu()))
}
