//! Central differences with steps that shrink, and what they say of derivatives.
//!
//! In: a function of one offset with several results, and what the derivative of each is said to be. Out: an [`ElementCheck`] for
//! each. With D(h) = (f(h) − f(−h)) / 2h, the difference is R = (4·D(h/2) − D(h)) / 3, whose truncation is O(h⁴). The step begins at
//! ε^(1/5) times the scale of the variable, where truncation and rounding ε·f/h balance, and is an eighth of that, and so on, for
//! what does not agree yet: a kink nearby is left behind by a smaller step, and a kink at the point is not.
//!
//! # Source
//! Richardson, *The approximate arithmetical solution by finite differences*, 1911; Press, Teukolsky, Vetterling and Flannery,
//! *Numerical Recipes*, 3rd edition, 2007, section 5.7, for the steps.

use super::{
    error::GradientCheckError,
    report::{Agreement, ElementCheck},
};

/// What a dtype allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Precision {
    /// The distance of 1 from the next number.
    epsilon: f64,
    /// Steps as multiples of the scale, the greatest first.
    steps: &'static [f64],
    /// Of a derivative, as a part of it, or of the greatest of its variable.
    tolerance: f64,
}

impl Precision {
    /// ε^(1/5) = 7e-4: R is exact to ε^(4/5) = 3e-13 where f and its derivatives are near 1. A tolerance of 1e-6 leaves room for
    /// derivatives of order 5 that are a million times greater. At the last step rounding is ε/h = 1.6e-10.
    pub(super) const DOUBLE: Precision =
        Precision { epsilon: f64::EPSILON, steps: &[7e-4, 9e-5, 1.1e-5, 1.4e-6], tolerance: 1e-6 };
    /// ε^(1/5) = 0.04: R is exact to ε^(4/5) = 3e-6 where f is near 1. A tolerance of 2e-3 leaves room for sums of some thousands of
    /// terms. Smaller steps than the second would measure rounding.
    pub(super) const SINGLE: Precision =
        Precision { epsilon: f32::EPSILON as f64, steps: &[0.04, 0.005], tolerance: 2e-3 };

    /// With another tolerance, if there is one.
    pub(super) fn with_tolerance(self, tolerance: Option<f64>) -> Precision {
        Precision { tolerance: tolerance.unwrap_or(self.tolerance), ..self }
    }
}

/// Roundings that the value of a function may be off by: it is computed in several operations.
const N_ROUNDINGS: f64 = 16.0;

/// What one derivative is said to be.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) index: Option<Vec<usize>>,
    pub(super) reverse: f64,
    pub(super) forward: Option<f64>,
    /// The greatest derivative of the same variable.
    pub(super) scale: f64,
}

/// Compares what derivatives are said to be with differences of `sample`, whose results are in the order of `claims`; steps are
/// multiples of `scale`.
pub(super) fn judge(
    claims: &[Claim],
    scale: f64,
    precision: Precision,
    mut sample: impl FnMut(f64) -> Result<Vec<f64>, GradientCheckError>,
) -> Result<Vec<ElementCheck>, GradientCheckError> {
    let center = sample(0.0)?;
    let mut tracks: Vec<Track> = claims.iter().map(|claim| Track::new(claim, precision)).collect();
    for step in precision.steps.iter().map(|step| step * scale) {
        if tracks.iter().all(Track::is_settled) {
            break;
        }
        let offsets = [-step, -step / 2.0, step / 2.0, step];
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(offsets.len());
        for offset in offsets {
            values.push(sample(offset)?);
        }
        for (position, track) in tracks.iter_mut().enumerate().filter(|(_, track)| !track.is_settled()) {
            let [far_left, left, right, far_right] = [0, 1, 2, 3].map(|offset: usize| values[offset][position]);
            track.look(step, [far_left, left, center[position], right, far_right]);
        }
    }
    Ok(tracks.into_iter().map(Track::finish).collect())
}

/// What was seen of one derivative so far.
struct Track<'c> {
    claim: &'c Claim,
    precision: Precision,
    /// The difference that is known best, with its uncertainty.
    best: Option<(ElementCheck, f64)>,
    /// How far the differences to both sides were apart, at each step.
    jumps: Vec<f64>,
    /// The differences across the point, at each step.
    slopes: Vec<f64>,
    /// The differences to the left and to the right at the last step, with their rounding.
    sides: ([f64; 2], f64),
}

impl Track<'_> {
    fn new(claim: &Claim, precision: Precision) -> Track<'_> {
        Track { claim, precision, best: None, jumps: Vec::new(), slopes: Vec::new(), sides: ([f64::NAN; 2], 0.0) }
    }

    fn is_settled(&self) -> bool {
        self.best.as_ref().is_some_and(|(check, _)| check.agreement == Agreement::Agrees)
    }

    /// Looks at the values at −h, −h/2, 0, h/2 and h.
    fn look(&mut self, step: f64, [far_left, left, center, right, far_right]: [f64; 5]) {
        let (wide, narrow) = ((far_right - far_left) / (2.0 * step), (right - left) / step);
        let numeric = (4.0 * narrow - wide) / 3.0;
        let magnitude = [far_left, left, center, right, far_right].iter().fold(1.0f64, |most, x| most.max(x.abs()));
        let rounding = N_ROUNDINGS * self.precision.epsilon * magnitude / step;
        let check = self.check(numeric, step, rounding);
        let sides = [(center - left) / (step / 2.0), (right - center) / (step / 2.0)];
        self.jumps.push((sides[1] - sides[0]).abs());
        self.slopes.push(narrow.abs());
        self.sides = (sides, rounding + check.tolerance);
        let uncertainty = (narrow - wide).abs() / 3.0;
        let is_better = match &self.best {
            None => true,
            Some((best, known)) => {
                check.agreement == Agreement::Agrees || !best.numeric.is_finite() || uncertainty < *known
            }
        };
        if is_better {
            self.best = Some((check, uncertainty));
        }
    }

    fn check(&self, numeric: f64, step: f64, rounding: f64) -> ElementCheck {
        let Claim { index, reverse, forward, scale } = self.claim;
        let derivatives = [Some(*reverse), *forward].into_iter().flatten();
        let distances = derivatives.map(|derivative| (derivative - numeric).abs());
        // NaN counts as the greatest distance.
        let error = distances.fold(0.0f64, |most, x| if x.is_nan() { f64::NAN } else { most.max(x) });
        let tolerance = self.precision.tolerance * numeric.abs().max(*scale).min(f64::MAX) + rounding;
        let agreement = match () {
            () if !error.is_finite() => Agreement::NotFinite,
            () if error <= tolerance => Agreement::Agrees,
            () => Agreement::Differs,
        };
        let (index, reverse, forward) = (index.clone(), *reverse, *forward);
        ElementCheck { index, numeric, reverse, forward, error, tolerance, step, agreement }
    }

    /// The best check, with what explains that it differs.
    fn finish(self) -> ElementCheck {
        let is_kink = self.is_kink();
        let (check, uncertainty) = self.best.expect("invariant: there is a step");
        let agreement = match check.agreement {
            Agreement::Differs if is_kink => Agreement::Kink,
            // Twice: the claim may lie at the other end of what the differences leave open.
            Agreement::Differs if check.error <= 2.0 * uncertainty => Agreement::Unsettled,
            other => other,
        };
        ElementCheck { agreement, ..check }
    }

    /// Whether the differences to both sides stay apart, and the derivatives lie between them, or the function jumps. Differences of
    /// a smooth function to both sides come nearer by the factor of the steps, 8, and those across a jump grow by it.
    fn is_kink(&self) -> bool {
        let ([left, right], allowed) = self.sides;
        let ([.., before, last], [.., slope_before, slope]) = (&self.jumps[..], &self.slopes[..]) else { return false };
        let is_between = |x: f64| x >= left.min(right) - allowed && x <= left.max(right) + allowed;
        let is_explained = is_between(self.claim.reverse) && self.claim.forward.is_none_or(is_between);
        let has_two_slopes = *last > 2.0 * allowed && *last > 0.5 * before && is_explained;
        has_two_slopes || (*slope > 2.0 * allowed && *slope > 4.0 * slope_before)
    }
}
