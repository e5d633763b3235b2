//! A linear system with the method that solves it, as bodies. In: a right side and captures, in any graph. Out: the solution, whose
//! derivatives are solutions of the same system or the transposed one.
//!
//! A tangent is linear in the right side that it is solved for, and its transpose is not what the sweep would make of the method,
//! whose steps are not linear. So in a derivative the solution passes through an operation of its own, which copies nothing and
//! says what its transpose is: the solution of the transposed system.

use std::hash::{Hash, Hasher};

use crate::{
    graph::{Body, DerivativeMode, Expr, Graph, NodeId, Type, ValueView, ValueViewMut},
    ops::{Application, CustomError, CustomOp, JacobianProducts, Linearization},
};

/// A closure of one array that was run once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Of the array, and of what was captured.
    pub(super) body: Body,
    /// The places of what was captured among the captures of the system.
    pub(super) captures: Vec<usize>,
}

/// Equal bodies have the same nodes, whose numbers are compared by their bits.
impl Eq for Part {}

impl Part {
    /// What the closure gives.
    pub(super) fn of<'g>(&self, x: Expr<'g>, captures: &[Expr<'g>]) -> Expr<'g> {
        let g = x.graph();
        let operands: Vec<Expr<'g>> =
            std::iter::once(x).chain(self.captures.iter().map(|place| captures[*place])).collect();
        if let Some(poison) = g.refuse(&operands) {
            return poison;
        }
        let ids: Vec<NodeId> = operands.iter().map(Expr::id).collect();
        g.expr(self.body.inline(g, &ids)[self.body.results()[0]])
    }
}

/// A system and its method, beside both of the transpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    pub(super) product: Part,
    pub(super) transposed: Part,
    pub(super) method: Part,
    pub(super) transposed_method: Part,
}

impl System {
    fn transpose(&self) -> System {
        let System { product, transposed, method, transposed_method } = self.clone();
        System { product: transposed, transposed: product, method: transposed_method, transposed_method: method }
    }

    /// x with A·x = b. Its tangent is A⁻¹·(ḃ − Ȧ·x), for the b and the captures of A.
    pub(super) fn solve<'g>(&self, right: Expr<'g>, captures: &[Expr<'g>]) -> Expr<'g> {
        let g = right.graph();
        let value = self.method.of(right, captures).stop_gradient();
        let places: Vec<usize> =
            self.product.captures.iter().copied().filter(|place| captures[*place].dtype().is_float()).collect();
        let parameters: Vec<Expr<'g>> = places.iter().map(|place| captures[*place]).collect();
        let frame = g.frame();
        g.with_derivative((right, parameters), value, |(_, parameters), x, (tangent, tangents)| {
            let _frame = g.reenter(frame);
            let mut captures = captures.to_vec();
            places.iter().zip(&parameters).for_each(|(place, parameter)| captures[*place] = *parameter);
            let pairs: Vec<_> = parameters.into_iter().zip(tangents).collect();
            let moved = if pairs.is_empty() { tangent } else { tangent - g.jvp(self.product.of(x, &captures), &pairs) };
            self.solve_linear(moved, &captures)
        })
    }

    /// The same as a linear function of the right side.
    fn solve_linear<'g>(&self, right: Expr<'g>, captures: &[Expr<'g>]) -> Expr<'g> {
        let value = self.method.of(right, captures).stop_gradient();
        let operands: Vec<Expr<'g>> = [value, right].into_iter().chain(captures.iter().copied()).collect();
        right.graph().custom(Solved { system: self.clone() }, operands)
    }

    /// −(∂(A·x)/∂c)ᵀ·λ or −(∂(A·x)/∂c)·ċ for a capture c of A and x that stays: it is written beside the graph, where x does not
    /// depend on c.
    fn product_by<'g>(&self, place: usize, x: Expr<'g>, direction: Direction<'g>, captures: &[Expr<'g>]) -> Expr<'g> {
        let (g, body) = (x.graph(), &self.product.body);
        let Some(number) = self.product.captures.iter().position(|other| *other == place) else {
            return direction.zeros(x, captures[place]);
        };
        let workshop: Graph = body.thaw();
        let node = |number: usize| workshop.expr(NodeId::new(number));
        let _frame = workshop.enter_derivative(direction.mode(), x);
        let along = workshop.expr(workshop.trace(&[direction.expr().ty()]).arguments[0]);
        let (y, c) = (node(body.results()[0]), node(number + 1));
        let moved = match direction {
            Direction::Cotangent(_) => workshop.vjp(y, along, &[c])[0],
            Direction::Tangent(_) => workshop.jvp(y, &[(c, along)]),
        };
        let result = -moved;
        if let Some(poison) = g.take_errors(&workshop) {
            return poison;
        }
        let arguments: Vec<NodeId> = (0..body.n_arguments()).map(NodeId::new).chain([along.id()]).collect();
        let (derived, _) = Body::freeze(&workshop, &arguments, &[result.id()]);
        let read = self.product.captures.iter().map(|place| captures[*place]);
        let operands: Vec<Expr<'g>> = std::iter::once(x).chain(read).chain([direction.expr()]).collect();
        if let Some(poison) = g.refuse(&operands) {
            return poison;
        }
        let operands: Vec<NodeId> = operands.iter().map(Expr::id).collect();
        g.expr(derived.inline(g, &operands)[derived.results()[0]])
    }
}

/// Which way a derivative by a capture goes.
#[derive(Clone, Copy)]
enum Direction<'g> {
    Cotangent(Expr<'g>),
    Tangent(Expr<'g>),
}

impl<'g> Direction<'g> {
    fn expr(self) -> Expr<'g> {
        match self {
            Direction::Cotangent(expr) | Direction::Tangent(expr) => expr,
        }
    }

    fn mode(self) -> DerivativeMode {
        match self {
            Direction::Cotangent(_) => DerivativeMode::Reverse,
            Direction::Tangent(_) => DerivativeMode::Forward,
        }
    }

    /// The derivative by what the product does not read.
    fn zeros(self, x: Expr<'g>, capture: Expr<'g>) -> Expr<'g> {
        match self {
            Direction::Cotangent(_) => capture.zeros_like(),
            Direction::Tangent(_) => x.zeros_like(),
        }
    }
}

/// The solution that is its first operand, as a function of the right side and the captures that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Solved {
    system: System,
}

impl Hash for Solved {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let System { product, transposed, method, transposed_method } = &self.system;
        for part in [product, transposed, method, transposed_method] {
            part.body.fingerprint().hash(state);
            part.captures.hash(state);
        }
    }
}

/// Where the right side is among the operands; captures follow.
const RIGHT: usize = 1;

impl CustomOp for Solved {
    const NAME: &'static str = "solved";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        match operands {
            [value, right, ..] if value == right => Ok(value.clone()),
            _ => Err("a solution has the type of its right side".into()),
        }
    }

    /// The first operand is there already.
    fn evaluate(&self, _: &[ValueView<'_>], _: ValueViewMut<'_>) -> Result<(), CustomError> {
        Ok(())
    }

    fn overwrites(&self) -> Option<usize> {
        Some(0)
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Products(self)
    }
}

impl JacobianProducts for Solved {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (operands, captures) = (application.operands(), &application.operands()[RIGHT + 1..]);
        match operand.checked_sub(RIGHT) {
            // The value has no derivative of its own.
            None => operands[0].zeros_like(),
            Some(0) => self.system.transpose().solve(cotangent, captures),
            Some(place) => {
                let multiplier = self.system.transpose().solve(cotangent, captures);
                let direction = Direction::Cotangent(multiplier);
                self.system.product_by(place - 1, application.output(), direction, captures)
            }
        }
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (operands, captures) = (application.operands(), &application.operands()[RIGHT + 1..]);
        match operand.checked_sub(RIGHT) {
            None => operands[0].zeros_like(),
            Some(0) => self.system.solve(tangent, captures),
            Some(place) => {
                let direction = Direction::Tangent(tangent);
                let moved = self.system.product_by(place - 1, application.output(), direction, captures);
                self.system.solve(moved, captures)
            }
        }
    }
}
