//! Where the scalars of a function are made and used. In: its statements. Out: for each scalar how often it is used, and where last, so
//! that one that is used once can be written there.

use std::collections::HashMap;

use super::super::ir::{FunctionCode, ScalarId, ScalarKind, Statement};
use crate::{graph::Unary, plan::Function};

/// Where a scalar is made or used: the number of the block, and how many statements that write come before it there.
pub(super) type Moment = (usize, usize);

/// Where scalars are made and used.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) made: Vec<Moment>,
    pub(super) n_uses: Vec<usize>,
    /// Where each was used last.
    pub(super) used: Vec<Moment>,
    /// Slopes of hyperbolic tangents, by operand and block.
    pub(super) slopes: HashMap<(ScalarId, usize), ScalarId>,
    n_blocks: usize,
}

impl Uses {
    pub(super) fn new(code: &FunctionCode) -> Uses {
        let n = code.scalars.len();
        let mut uses = Uses {
            made: vec![(0, 0); n],
            n_uses: vec![0; n],
            used: vec![(0, 0); n],
            slopes: HashMap::new(),
            n_blocks: 0,
        };
        uses.block(code, &code.statements);
        uses
    }

    fn add(&mut self, scalar: ScalarId, n: usize, moment: Moment) {
        self.n_uses[scalar.0] += n;
        self.used[scalar.0] = moment;
    }

    /// Walks a block; gives its number.
    fn block(&mut self, code: &FunctionCode, statements: &[Statement]) -> usize {
        let block = self.n_blocks;
        self.n_blocks += 1;
        let mut n_written = 0;
        for statement in statements {
            let moment = (block, n_written);
            match statement {
                Statement::Let(scalar) => {
                    self.made[scalar.0] = moment;
                    if let ScalarKind::Apply { operands, function } = &code.scalars[scalar.0].kind {
                        // A square writes its operand twice.
                        let n = if matches!(function, Function::IntegerPower(_)) { 2 } else { 1 };
                        operands.iter().for_each(|operand| self.add(*operand, n, moment));
                        if let Function::Unary(Unary::SechSquared) = function {
                            self.slopes.insert((operands[0], block), *scalar);
                        }
                    }
                    continue;
                }
                Statement::Comment(_) => continue,
                Statement::While { condition, holds, body, .. } => {
                    let condition = self.block(code, condition);
                    self.add(*holds, 1, (condition, usize::MAX));
                    self.block(code, body);
                }
                other => {
                    other.uses().into_iter().for_each(|scalar| self.add(scalar, 1, moment));
                    other.blocks().into_iter().for_each(|inner| {
                        self.block(code, inner);
                    });
                }
            }
            n_written += 1;
        }
        block
    }
}
