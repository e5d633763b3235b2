//! Recognizes exponentials that are shifted already, so that each of their sums has a term that is 1 and none that is
//! greater. In: the argument x of exponentials. Out: the axes over which the maximum of x has been subtracted from it.
//! The answer is conservative: what is not known to be shifted is shifted again, which costs time and is right.
//! Whatever `shift.rs` makes is recognized.

use smallvec::SmallVec;

use super::{moved::ViewChain, rewriter::Rewriter};
use crate::graph::{Axes, Binary, Concat, NodeId, Op, Predicate, Reduce, Reduction, Unary};

/// Operands of a written-out maximum that are looked at, at most.
const MAX_OPERANDS: usize = 16;

/// A value behind movements that repeat it, reorder its axes or add axes of size 1, constant in the derivative or not.
struct Traced {
    value: NodeId,
    /// For each of its axes its place where it was traced from; none for axes of size 1.
    places: Vec<Option<usize>>,
}

impl Traced {
    fn itself(rewriter: &Rewriter<'_>, id: NodeId) -> Traced {
        let shape = rewriter.shape(id);
        let places = (0..shape.rank()).map(|axis| (!shape[axis].is(1)).then_some(axis)).collect();
        Traced { value: id, places }
    }

    fn from(rewriter: &Rewriter<'_>, id: NodeId) -> Option<Traced> {
        let mut traced = Traced::itself(rewriter, id);
        loop {
            let moved = ViewChain::trace_movements(rewriter, traced.value);
            let places = moved.places(rewriter)?;
            traced = Traced { value: moved.value, places: traced.seen(places) };
            if !matches!(*rewriter.visible_op(traced.value), Op::StopGradient(_)) {
                return Some(traced);
            }
            traced.value = rewriter.operand(traced.value);
        }
    }

    /// A value of the same shape as this one, traced on.
    fn on(self, rewriter: &Rewriter<'_>, id: NodeId) -> Option<Traced> {
        let next = Traced::from(rewriter, id)?;
        Some(Traced { value: next.value, places: self.seen(next.places) })
    }

    /// Places in this value, seen from where it was traced from.
    fn seen(&self, places: Vec<Option<usize>>) -> Vec<Option<usize>> {
        places.into_iter().map(|place| place.and_then(|place| self.places[place])).collect()
    }
}

/// Whether s is less its greatest element over some of these axes, or over all of them: Σ eˢ over them is then at least
/// 1, or there is no finite number among the s.
pub(super) fn is_shifted(rewriter: &Rewriter<'_>, s: NodeId, axes: &[usize]) -> bool {
    let Some((x, shift)) = difference(rewriter, s) else { return false };
    let Some(shift) = Traced::from(rewriter, shift) else { return false };
    let shift = match guarded(rewriter, shift.value) {
        Some(greatest) => shift.on(rewriter, greatest),
        None => Some(shift),
    };
    let candidates = [Some(Traced::itself(rewriter, x)), Traced::from(rewriter, x)];
    let over =
        shift.and_then(|shift| candidates.into_iter().flatten().find_map(|x| greatest_over(rewriter, &shift, &x)));
    over.is_some_and(|over| over.iter().all(|axis| axes.contains(axis)))
}

fn difference(rewriter: &Rewriter<'_>, s: NodeId) -> Option<(NodeId, NodeId)> {
    (*rewriter.visible_op(s) == Op::Binary(Binary::Sub)).then(|| {
        let operands = rewriter.operands(s);
        (operands[0], operands[1])
    })
}

/// The axes over which one value is the greatest element of the other, as they are where both were traced from.
fn greatest_over(rewriter: &Rewriter<'_>, shift: &Traced, x: &Traced) -> Option<Axes> {
    let ((of_shift, reduced_axes), (of_x, gone_before)) = (root(rewriter, shift.value), root(rewriter, x.value));
    if of_shift != of_x {
        return None;
    }
    let (mut in_shift, mut in_x) = (shift.places.iter(), x.places.iter());
    let mut over = Axes::new();
    for axis in 0..rewriter.shape(of_x).rank() {
        let shift = (!reduced_axes.contains(&axis)).then(|| in_shift.next()).flatten();
        let x = (!gone_before.contains(&axis)).then(|| in_x.next()).flatten();
        match (shift, x) {
            (None, Some(place)) => over.extend(*place),
            (None, None) => {}
            (Some(shift), Some(x)) if shift == x => {}
            _ => return None,
        }
    }
    Some(over)
}

/// What a value is the greatest element of, and over which axes of that: itself over none where it is no maximum.
fn root(rewriter: &Rewriter<'_>, id: NodeId) -> (NodeId, Axes) {
    let (mut value, mut kept) = (id, None::<Vec<usize>>);
    let mut reductions: SmallVec<[Axes; 2]> = SmallVec::new();
    loop {
        value = unpadded(rewriter, value);
        let Op::Reduce(Reduce { kind: Reduction::Max, axes }) = rewriter.op(value) else { break };
        reductions.push(axes);
        value = rewriter.operand(value);
    }
    for axes in reductions.iter().rev() {
        let before = kept.unwrap_or_else(|| (0..rewriter.shape(value).rank()).collect());
        kept = Some(
            before
                .into_iter()
                .enumerate()
                .filter(|(position, _)| !axes.contains(position))
                .map(|(_, axis)| axis)
                .collect(),
        );
    }
    let rank = rewriter.shape(value).rank();
    let reduced_axes = kept.map_or_else(Axes::new, |kept| (0..rank).filter(|axis| !kept.contains(axis)).collect());
    (value, reduced_axes)
}

/// What has been lengthened by −∞, which is never the greatest unless there is nothing else.
fn unpadded(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let mut value = id;
    while matches!(*rewriter.visible_op(value), Op::Concat(Concat { .. })) {
        let parts = rewriter.operands(value);
        if parts.len() != 2 || rewriter.float(parts[1]) != Some(f64::NEG_INFINITY) {
            break;
        }
        value = parts[0];
    }
    value
}

/// The x of select(x is finite, x, 0).
fn guarded(rewriter: &Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let [condition, x, zero] = select(rewriter, id)?;
    let condition = Traced::from(rewriter, condition)?;
    if *rewriter.visible_op(condition.value) != Op::Predicate(Predicate::IsFinite) || rewriter.float(zero) != Some(0.0)
    {
        return None;
    }
    let asked = rewriter.operand(condition.value);
    let (asked, source) = (condition.on(rewriter, asked)?, Traced::from(rewriter, x)?);
    (asked.value == source.value && asked.places == source.places).then_some(x)
}

pub(super) fn select(rewriter: &Rewriter<'_>, id: NodeId) -> Option<[NodeId; 3]> {
    let is_select = matches!(*rewriter.visible_op(id), Op::Select(_));
    is_select.then(|| rewriter.operands(id)[..].try_into().ok())?
}

/// Whether terms that are written out are all less one shift, the greatest of them where it is finite.
pub(super) fn are_shifted(rewriter: &Rewriter<'_>, terms: &[NodeId]) -> bool {
    let shift_of = |term: &NodeId| match *rewriter.visible_op(*term) {
        // 0 less the shift.
        Op::Unary(Unary::Negate) => Some((None, rewriter.operand(*term))),
        _ => difference(rewriter, *term).map(|(x, shift)| (Some(x), shift)),
    };
    let Some(pairs) = terms.iter().map(shift_of).collect::<Option<Vec<_>>>() else { return false };
    let operands = pairs.first().and_then(|(_, shift)| operands(rewriter, unstopped(rewriter, *shift)));
    let is_among = |x: Option<NodeId>, operands: &[NodeId]| match x {
        Some(x) => operands.contains(&x),
        None => operands.iter().any(|operand| rewriter.float(*operand) == Some(0.0)),
    };
    operands.is_some_and(|operands| pairs.iter().all(|(x, shift)| *shift == pairs[0].1 && is_among(*x, &operands)))
}

fn unstopped(rewriter: &Rewriter<'_>, id: NodeId) -> NodeId {
    let mut value = id;
    while matches!(*rewriter.visible_op(value), Op::StopGradient(_)) {
        value = rewriter.operand(value);
    }
    value
}

/// What a guarded value is the greatest of, element by element.
fn operands(rewriter: &Rewriter<'_>, shift: NodeId) -> Option<SmallVec<[NodeId; 4]>> {
    let mut open: SmallVec<[NodeId; 4]> = SmallVec::from_slice(&[guarded(rewriter, shift)?]);
    let mut found = SmallVec::new();
    while let Some(id) = open.pop() {
        if *rewriter.visible_op(id) == Op::Binary(Binary::Maximum) {
            open.extend(rewriter.operands(id));
        } else {
            found.push(id);
        }
        if found.len() + open.len() > MAX_OPERANDS {
            return None;
        }
    }
    Some(found)
}
