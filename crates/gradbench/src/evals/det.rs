//! `det`: the determinant by expansion by minors, and its gradient.
//!
//! The determinant of each minor of the last rows is a sum over the elements of its first row. A recursion that follows the definition
//! computes each minor anew wherever it occurs, which takes ℓ! products. A graph has a value once: here, all minors of the last r rows are
//! one array, with an element for each choice of r columns, and are read by those of the last r + 1. That takes ℓ·2^(ℓ − 1) products, and
//! its times say nothing about tools that compute ℓ!.

use pullback::{Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    error::EvalError,
    prepared::{Inputs, Program, table},
    timed::Timed,
};

/// Above this, the minors would not fit into memory.
const MAX_SIZE: usize = 24;

#[derive(Debug, Deserialize)]
struct Input {
    #[serde(rename = "A")]
    a: Vec<f64>,
    ell: usize,
}

pub(crate) fn primal(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |_, determinant, _| determinant)?;
    Ok(program.timed(|program| program.json("result")))
}

pub(crate) fn gradient(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let program = prepare(input, options, |g, determinant, a| g.gradient(determinant, a))?;
    Ok(program.timed(|program| program.json("result")))
}

fn prepare(
    input: Json,
    options: &Options,
    result: impl for<'g> FnOnce(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>,
) -> Result<Program, EvalError> {
    let Input { a, ell } = serde_json::from_value(input)?;
    if a.len() != ell * ell {
        return Err(EvalError::Length { name: "A", expected: ell * ell, found: a.len() });
    }
    if ell == 0 || ell > MAX_SIZE {
        return Err(EvalError::Size { name: "ell", max: MAX_SIZE, found: ell });
    }
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let a = inputs.vector("A", &a);
    inputs.compile(result(&g, determinant(&g, a.reshape((ell, ell)), ell), a), options)
}

fn determinant<'g>(g: &'g Graph, a: Expr<'g>, ell: usize) -> Expr<'g> {
    // Sets of columns are bit masks, in ascending order; those of one column are the columns in order.
    let mut sets: Vec<usize> = (0..ell).map(|column| 1 << column).collect();
    let mut minors = a.slice(-1);
    for n_rows in 2..=ell {
        let larger: Vec<usize> = (0..1 << ell).filter(|set: &usize| set.count_ones() as usize == n_rows).collect();
        let (columns, smaller) = expansion(&larger, &sets);
        let sizes = [larger.len(), n_rows];
        let elements = a.slice(-(n_rows as i64)).gather(table(g, &sizes, &columns), 0);
        let cofactors = minors.gather(table(g, &sizes, &smaller), 0);
        let signs: Vec<f64> = (0..n_rows).map(|position| if position % 2 == 0 { 1.0 } else { -1.0 }).collect();
        minors = (elements * cofactors * table(g, &[n_rows], &signs)).sum_over(-1);
        sets = larger;
    }
    minors.reshape(())
}

/// For each set, its columns in ascending order, and for each of these the position among `smaller` of the set without it.
fn expansion(sets: &[usize], smaller: &[usize]) -> (Vec<i64>, Vec<i64>) {
    let mut columns = Vec::new();
    let mut positions = Vec::new();
    for set in sets {
        for column in (0..usize::BITS).filter(|column| set >> column & 1 == 1) {
            let rest = smaller.binary_search(&(set & !(1 << column)));
            columns.push(i64::from(column));
            positions.push(rest.expect("invariant: all sets with one column less are there") as i64);
        }
    }
    (columns, positions)
}
