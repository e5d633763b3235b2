//! A Jacobian as terms, accumulated forwards. In: y and x. Out: for each way in which elements of y depend on elements of x an array of
//! derivatives, with arrays of the rows and columns that they belong to; or nothing, if something between the two is no function of
//! elements, no movement, no sum and no product.
//!
//! A term of y is `∂y[row(t)] / ∂x[column(t)] = value(t)` for all t of an array. Functions of elements multiply the values, movements move
//! all three, a sum leaves its terms as they are, and a product of arrays spreads them. Terms with equal rows and columns are one. So the
//! graph grows with the number of terms, and by no size.
//!
//! # Source
//! Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 9.1 (vertex elimination in forward order), here with one
//! vertex for an array.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::positions::{Positions, spread_operations};
use crate::{
    autodiff::{self, scale},
    graph::{DerivativeMode, Dim, Expr, NodeId, Op, Shape, Type},
    ops::{self, Application, Coefficient, Dependence, FactorAxis, Linearization, Partial, Ties},
};

/// So many terms of one node, and products with a basis take less.
pub(super) const MAX_TERMS: usize = 64;

/// Derivatives with the elements that they are between, three arrays of one shape.
#[derive(Debug, Clone)]
pub(super) struct Term<'g> {
    rows: Rows<'g>,
    /// Positions in x.
    columns: Expr<'g>,
    value: Expr<'g>,
}

/// Which element of the node each derivative is of.
#[derive(Debug, Clone)]
enum Rows<'g> {
    /// Axis a of the node is axis `[a]` of the term; along the others derivatives are of the same element.
    Axes(SmallVec<[usize; 4]>),
    /// The one at this position, or none where it is −1.
    At(Expr<'g>),
}

/// A term, flat: the derivative of `y[row]` by `x[column]` is `value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlatTerm<'g> {
    pub(super) rows: Expr<'g>,
    pub(super) columns: Expr<'g>,
    pub(super) value: Expr<'g>,
}

/// The Jacobian of y by x as terms, if it is made of them.
pub(super) fn flat_terms<'g>(y: Expr<'g>, x: Expr<'g>, positions: &Positions<'g>) -> Option<Vec<FlatTerm<'g>>> {
    let terms = Sweep { x, positions, is_structural: HashMap::new() }.terms(y)?;
    let flat = |expr: Expr<'g>| expr.reshape(&[expr.shape().size()][..]);
    let of_term = |term: Term<'g>| {
        let rows = flat(term.positions(&y.shape(), positions));
        FlatTerm { rows, columns: flat(term.columns), value: flat(term.value) }
    };
    Some(terms.into_iter().map(of_term).collect())
}

/// Whether the positions that an operand holds follow from sizes, constants and what is fed as integers and truth values alone.
pub(super) fn is_structural(index: Expr<'_>) -> bool {
    let graph = index.graph();
    graph.ancestors(&[index.id()]).into_iter().all(|id| {
        let node = graph.node(id);
        let is_number = matches!(node.op, Op::Input(_)) && !node.ty.dtype.is_float();
        let is_known = matches!(node.op, Op::Constant(_) | Op::Iota(_) | Op::DimSize(_));
        let is_computed = !graph.operands(id).is_empty() && node.op.is_pure() && !node.op.is_nested();
        is_number || is_known || is_computed
    })
}

struct Sweep<'a, 'g> {
    x: Expr<'g>,
    positions: &'a Positions<'g>,
    is_structural: HashMap<NodeId, bool>,
}

impl<'g> Sweep<'_, 'g> {
    fn terms(mut self, y: Expr<'g>) -> Option<Vec<Term<'g>>> {
        let (graph, x) = (y.graph(), self.x);
        let depends = autodiff::dependents(graph, &[x], y.id().index());
        let mut found: HashMap<NodeId, Vec<Term<'g>>> = HashMap::new();
        found.insert(
            x.id(),
            vec![Term {
                rows: Rows::Axes((0..x.rank()).collect()),
                columns: self.positions.of(&x.shape()),
                value: x.ones_like(),
            }],
        );
        for id in graph.ancestors(&[y.id()]) {
            if id == x.id() || !depends[id.index()] {
                continue;
            }
            let node = graph.expr(id);
            let _frame = graph.enter_derivative(DerivativeMode::Forward, node);
            if node.op().is_nested() {
                return None;
            }
            let operands = graph.operands(id).iter().map(|operand| graph.expr(*operand)).collect();
            let terms = self.of_node(&Application { operands, output: node }, &found)?;
            if terms.len() > MAX_TERMS {
                return None;
            }
            found.insert(id, terms);
        }
        Some(found.remove(&y.id()).unwrap_or_default())
    }

    /// The terms of what an operation gives.
    fn of_node(
        &mut self,
        application: &Application<'g>,
        found: &HashMap<NodeId, Vec<Term<'g>>>,
    ) -> Option<Vec<Term<'g>>> {
        let types: Vec<Type> = application.operands.iter().map(Expr::ty).collect();
        let op = application.output.op();
        let mut terms: Vec<Term<'g>> = Vec::new();
        for (operand, expr) in application.operands.iter().enumerate() {
            for term in found.get(&expr.id()).map_or(&[][..], Vec::as_slice) {
                let moved = match ops::dependence(&op, operand, &types) {
                    Dependence::Nothing => continue,
                    Dependence::SameIndex => match self.scaled(term, operand, application)? {
                        Some(term) => term,
                        None => continue,
                    },
                    Dependence::Moved => self.moved(term, operand, application),
                    Dependence::Picked if self.reads_known_positions(application) => {
                        self.applied(term, operand, application)?
                    }
                    Dependence::Added if self.reads_known_positions(application) => {
                        self.sent(term, operand, application)
                    }
                    Dependence::Picked | Dependence::Added => return None,
                    Dependence::Tied { ties, coefficient } => {
                        self.spread(term, operand, application, (&ties, &coefficient))?
                    }
                };
                merge(&mut terms, moved);
            }
        }
        Some(terms)
    }

    /// Through a function of elements; none if its derivative is 0 everywhere.
    fn scaled(&self, term: &Term<'g>, operand: usize, application: &Application<'g>) -> Option<Option<Term<'g>>> {
        let op = application.output.op();
        let value = match ops::linearization(&op) {
            Linearization::Partials(rule) => {
                let partial = self.partial_of(term, rule.partial(operand, application));
                match scale(term.value, partial) {
                    Some(value) => value,
                    None => return Some(None),
                }
            }
            // Of one operand, such as a cast.
            Linearization::Linear(_) if ops::traits(&op).is_elementwise => term.value.graph().apply(op, &[term.value]),
            Linearization::Linear(_) => term.value,
            Linearization::Constant | Linearization::Multilinear(_) | Linearization::Products(_) => return None,
        };
        Some(Some(Term { value, ..term.clone() }))
    }

    /// A partial derivative at the elements of a term.
    fn partial_of(&self, term: &Term<'g>, partial: Partial<'g>) -> Partial<'g> {
        let at = |expr: Expr<'g>| match &term.rows {
            Rows::Axes(axes) => spread(expr, axes, &term.value.shape()),
            Rows::At(positions) => self.positions.pick(expr, *positions),
        };
        match partial {
            Partial::Zero | Partial::One | Partial::MinusOne => partial,
            Partial::Factor(factor) => Partial::Factor(at(factor)),
            Partial::Where(condition) => Partial::Where(at(condition)),
            Partial::Unless(condition) => Partial::Unless(at(condition)),
            Partial::Contest { wins, ties } => Partial::Contest { wins: at(wins), ties: at(ties) },
        }
    }

    /// Through a movement that repeats nothing: by what comes out where that is less, else by where it goes.
    fn moved(&self, term: &Term<'g>, operand: usize, application: &Application<'g>) -> Term<'g> {
        let sizes = (application.operands[operand].shape().size(), application.output.shape().size());
        let is_less = (sizes.0 - sizes.1).is_never_negative();
        let is_alone = application.operands.iter().filter(|operand| operand.dtype().is_float()).count() == 1;
        let applied = (is_less && is_alone).then(|| self.applied(term, operand, application)).flatten();
        applied.unwrap_or_else(|| self.sent(term, operand, application))
    }

    /// By the operation itself, applied to columns and values, if the term is one array of elements of the operand.
    fn applied(&self, term: &Term<'g>, operand: usize, application: &Application<'g>) -> Option<Term<'g>> {
        term.is_whole().then(|| {
            let (graph, op) = (term.value.graph(), application.output.op());
            let with = |replaced: Expr<'g>| -> Vec<Expr<'g>> {
                let of_operand = |(position, expr): (usize, &Expr<'g>)| match position == operand {
                    true => replaced,
                    false => *expr,
                };
                application.operands.iter().enumerate().map(of_operand).collect()
            };
            Term {
                rows: Rows::Axes((0..application.output.rank()).collect()),
                columns: self.positions.apply(op.clone(), &with(term.columns)),
                value: graph.apply(op, &with(term.value)),
            }
        })
    }

    /// By where the elements of the operand go.
    fn sent(&self, term: &Term<'g>, operand: usize, application: &Application<'g>) -> Term<'g> {
        let targets = self.positions.targets(application, operand);
        let rows = if term.is_whole() {
            targets
        } else {
            self.positions.compose(targets, term.positions(&application.operands[operand].shape(), self.positions))
        };
        Term { rows: Rows::At(rows), ..term.clone() }
    }

    /// Through what ties axes: repeats, sums, and products with another operand.
    fn spread(
        &self,
        term: &Term<'g>,
        operand: usize,
        application: &Application<'g>,
        (ties, coefficient): (&Ties, &Coefficient),
    ) -> Option<Term<'g>> {
        let output = application.output.shape();
        let Rows::Axes(axes) = &term.rows else {
            let is_one = (0..output.rank()).all(|axis| ties.iter().any(|(_, to)| *to == axis));
            let is_sum = is_one && *coefficient == Coefficient::One;
            return is_sum.then(|| self.sent(term, operand, application));
        };
        let mut sizes: Vec<Dim> = term.value.shape().to_vec();
        let rows: SmallVec<[usize; 4]> = (0..output.rank())
            .map(|axis| match ties.iter().find(|(_, to)| *to == axis) {
                Some((from, _)) => axes[*from],
                None => {
                    sizes.push(output[axis].clone());
                    sizes.len() - 1
                }
            })
            .collect();
        let shape = Shape::from(&sizes[..]);
        let own: SmallVec<[usize; 4]> = (0..term.value.rank()).collect();
        let value = spread(term.value, &own, &shape);
        let value = match coefficient {
            Coefficient::One => value,
            Coefficient::Factor { operand: other, axes: sources } => {
                let place = |source: &FactorAxis| match source {
                    FactorAxis::Output(axis) => rows[*axis],
                    FactorAxis::Operand(axis) => axes[*axis],
                };
                let places: SmallVec<[usize; 4]> = sources.iter().map(place).collect();
                scale(value, Partial::Factor(spread(application.operands[*other], &places, &shape)))?
            }
            Coefficient::Other => return None,
        };
        Some(Term { rows: Rows::Axes(rows), columns: self.positions.spread(term.columns, &own, &shape), value })
    }

    /// Whether where an operation reads or adds is known before any float is.
    fn reads_known_positions(&mut self, application: &Application<'g>) -> bool {
        let mut indices = application.operands.iter().filter(|operand| !operand.dtype().is_float());
        indices.all(|index| *self.is_structural.entry(index.id()).or_insert_with(|| is_structural(*index)))
    }
}

impl<'g> Term<'g> {
    /// Whether it has one derivative for each element of the node, in order.
    fn is_whole(&self) -> bool {
        match &self.rows {
            Rows::Axes(axes) => axes.len() == self.value.rank() && axes.is_sorted(),
            Rows::At(_) => false,
        }
    }

    /// Positions in the node, of this shape.
    fn positions(&self, node: &Shape, positions: &Positions<'g>) -> Expr<'g> {
        match &self.rows {
            Rows::Axes(axes) => positions.spread(positions.of(node), axes, &self.value.shape()),
            Rows::At(rows) => *rows,
        }
    }

    fn is_like(&self, other: &Term<'g>) -> bool {
        let has_same_rows = match (&self.rows, &other.rows) {
            (Rows::Axes(axes), Rows::Axes(others)) => axes == others,
            (Rows::At(rows), Rows::At(others)) => rows.is_same(*others),
            (Rows::Axes(_), Rows::At(_)) | (Rows::At(_), Rows::Axes(_)) => false,
        };
        has_same_rows && self.columns.is_same(other.columns)
    }
}

fn merge<'g>(terms: &mut Vec<Term<'g>>, term: Term<'g>) {
    match terms.iter_mut().find(|other| other.is_like(&term)) {
        Some(other) => other.value = autodiff::add(other.value, term.value),
        None => terms.push(term),
    }
}

/// An array, some axes of an array of this shape, repeated along its other axes.
fn spread<'g>(array: Expr<'g>, axes: &[usize], shape: &Shape) -> Expr<'g> {
    spread_operations(axes, shape).into_iter().fold(array, |array, op| array.graph().apply(op, &[array]))
}
