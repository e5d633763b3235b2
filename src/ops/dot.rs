//! Sums of products over axes: the one primitive behind products of matrices, outer products and einsum.

use ndarray::{Array3, ArrayD, Axis, Dimension, IxDyn};

use super::{
    axes::{check_axis, inverse_permutation},
    real::{Number, Real},
    rule::{
        Application, Batching, Coefficient, Dependence, Domain, EvaluationContext, FactorAxis, LinearMap,
        Linearization, OpError, Rule, Ties, Traits, check_number, check_operands,
    },
    sample::{Sample, listed, reals},
    slice::check_count,
};
use crate::graph::{Axes, Dim, DotGeneral, Expr, GraphError, Shape, Type, Value};

impl Rule for DotGeneral {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [left, right] = check_operands(operands)?;
        check_number(left)?;
        if left.dtype != right.dtype {
            return Err(GraphError::DTypesDiffer { left: left.dtype, right: right.dtype });
        }
        check_count("right_batch", self.right_batch.len(), self.left_batch.len())?;
        check_count("right_contract", self.right_contract.len(), self.left_contract.len())?;
        check_distinct(&self.left_batch, &self.left_contract, left.rank())?;
        check_distinct(&self.right_batch, &self.right_contract, right.rank())?;
        let left_axes = self.left_batch.iter().chain(&self.left_contract);
        let right_axes = self.right_batch.iter().chain(&self.right_contract);
        for (left_axis, right_axis) in left_axes.copied().zip(right_axes.copied()) {
            if left.shape[left_axis] != right.shape[right_axis] {
                let (left, right) = (left.shape[left_axis].clone(), right.shape[right_axis].clone());
                return Err(GraphError::SizesDiffer { left_axis, left, right_axis, right });
            }
        }
        let batch = self.left_batch.iter().map(|axis| &left.shape[*axis]);
        let rows = self.left_free(left.rank()).into_iter().map(|axis| &left.shape[axis]);
        let columns = self.right_free(right.rank()).into_iter().map(|axis| &right.shape[axis]);
        let shape: Shape = batch.chain(rows).chain(columns).cloned().collect();
        Ok(Type::new(left.dtype, shape))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Multilinear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    /// The derivative by an element of one operand is the element of the other that it is multiplied by.
    fn dependence(&self, operand: usize, operands: &[Type]) -> Dependence {
        let n_batch = self.left_batch.len();
        let (rows, columns) = (self.left_free(operands[0].rank()), self.right_free(operands[1].rank()));
        let left = (&self.left_batch, &self.left_contract, &rows, n_batch);
        let right = (&self.right_batch, &self.right_contract, &columns, n_batch + rows.len());
        let (own, other) = if operand == 0 { (left, right) } else { (right, left) };
        let in_output = |(batch, _, free, first): (&Axes, &Axes, &Axes, usize)| -> Ties {
            let outer = batch.iter().enumerate().map(|(to, from)| (*from, to));
            outer.chain(free.iter().enumerate().map(|(to, from)| (*from, first + to))).collect()
        };
        let tied = in_output(other);
        let source = |axis: usize| match tied.iter().find(|(from, _)| *from == axis) {
            Some((_, to)) => FactorAxis::Output(*to),
            None => {
                let position = other.1.iter().position(|contracted| *contracted == axis);
                FactorAxis::Operand(own.1[position.expect("invariant: other axes are contracted")])
            }
        };
        let axes = (0..operands[1 - operand].rank()).map(source).collect();
        Dependence::Tied { ties: in_output(own), coefficient: Coefficient::Factor { operand: 1 - operand, axes } }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let shape = IxDyn(&context.shape()?);
        Ok(match (context.operands[0], context.operands[1]) {
            (Value::F32(left), Value::F32(right)) => Value::F32(self.product(left, right, shape)),
            (Value::F64(left), Value::F64(right)) => Value::F64(self.product(left, right, shape)),
            (Value::I64(left), Value::I64(right)) => Value::I64(self.product(left, right, shape)),
            _ => unreachable!("invariant: inference asks for numbers of one dtype"),
        })
    }

    /// 2·B·M·N·K.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let contracted: Dim = self.left_contract.iter().map(|axis| operands[0].shape[*axis].clone()).product();
        2 * (output.shape.size() * contracted)
    }

    fn samples() -> Vec<Sample> {
        let sample = |[left_batch, right_batch, left_contract, right_contract]: [&[usize]; 4],
                      left: &[usize],
                      right: &[usize]| {
            let dot = DotGeneral {
                left_batch: left_batch.into(),
                right_batch: right_batch.into(),
                left_contract: left_contract.into(),
                right_contract: right_contract.into(),
            };
            Sample::smooth(dot, [reals(left, -1.0, 1.0), reals(right, -1.5, 0.5)])
        };
        let integers = DotGeneral {
            left_batch: Axes::new(),
            right_batch: Axes::new(),
            left_contract: [0].as_slice().into(),
            right_contract: [1].as_slice().into(),
        };
        vec![
            sample([&[], &[], &[0], &[0]], &[4], &[4]),
            sample([&[], &[], &[1], &[0]], &[2, 3], &[3, 4]),
            sample([&[], &[], &[0], &[1]], &[3, 2], &[4, 3]),
            sample([&[], &[], &[0], &[0]], &[3], &[3, 2]),
            sample([&[0], &[0], &[2], &[1]], &[2, 2, 3], &[2, 3, 2]),
            sample([&[2, 0], &[0, 1], &[1], &[3]], &[2, 4, 3, 2], &[3, 2, 1, 4]),
            sample([&[], &[], &[0, 2], &[2, 0]], &[2, 3, 4], &[4, 2, 2]),
            sample([&[1], &[2], &[3, 0], &[0, 1]], &[2, 3, 2, 4], &[4, 2, 3, 2]),
            sample([&[0, 1], &[1, 0], &[], &[]], &[2, 3], &[3, 2]),
            sample([&[], &[], &[], &[]], &[2], &[3, 2]),
            sample([&[], &[], &[], &[]], &[], &[2, 3]),
            sample([&[], &[], &[1], &[0]], &[2, 0], &[0, 3]),
            sample([&[], &[], &[1], &[0]], &[0, 2], &[2, 3]),
            sample([&[0], &[0], &[2], &[1]], &[0, 2, 3], &[0, 3, 2]),
            sample([&[], &[], &[1], &[0]], &[1, 1], &[1, 1]),
            Sample::smooth(integers, [listed(&[2], &[3i64, -1]), listed(&[2, 2], &[1i64, 2, i64::MAX, 4])]),
        ]
    }
}

/// That axes are within the rank and no two of them are one.
fn check_distinct(batch: &[usize], contract: &[usize], rank: usize) -> Result<(), GraphError> {
    let axes: Axes = batch.iter().chain(contract).copied().collect();
    axes.iter().try_for_each(|axis| check_axis(*axis, rank))?;
    let is_repeated = |position: usize| axes[..position].contains(&axes[position]);
    if (0..axes.len()).any(is_repeated) { Err(GraphError::BadAxes { axes, rank }) } else { Ok(()) }
}

/// The axes below `rank` that are in neither list.
fn others(rank: usize, batch: &[usize], contract: &[usize]) -> Axes {
    (0..rank).filter(|axis| !batch.contains(axis) && !contract.contains(axis)).collect()
}

/// The axes `contract` in ascending order of the axes they go together with: the order in which those are left over
/// when the others have been contracted away.
fn in_order_of(contract: &[usize], partners: &[usize]) -> Axes {
    let mut pairs: Vec<(usize, usize)> = partners.iter().copied().zip(contract.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, axis)| axis).collect()
}

/// Three groups of axes, each merged into one.
fn merge<T: Clone>(x: &ArrayD<T>, groups: [&[usize]; 3]) -> Array3<T> {
    let sizes = groups.map(|axes| axes.iter().map(|axis| x.len_of(Axis(*axis))).product::<usize>());
    let permuted = x.view().permuted_axes(groups.concat());
    let merged = permuted.as_standard_layout().into_owned().into_shape_with_order(sizes);
    merged.expect("invariant: every axis is in one group")
}

impl DotGeneral {
    fn left_free(&self, rank: usize) -> Axes {
        others(rank, &self.left_batch, &self.left_contract)
    }

    fn right_free(&self, rank: usize) -> Axes {
        others(rank, &self.right_batch, &self.right_contract)
    }

    fn product<T: Number>(&self, left: &ArrayD<T>, right: &ArrayD<T>, shape: IxDyn) -> ArrayD<T> {
        if shape.size() == 0 {
            // There may be many products, each without an element.
            return ArrayD::from_elem(shape, T::ZERO);
        }
        let (rows, columns) = (self.left_free(left.ndim()), self.right_free(right.ndim()));
        let left = merge(left, [&self.left_batch, &rows, &self.left_contract]);
        let right = merge(right, [&self.right_batch, &self.right_contract, &columns]);
        let sizes = (left.len_of(Axis(0)), left.len_of(Axis(1)), right.len_of(Axis(2)));
        let mut product = Array3::from_elem(sizes, T::ZERO);
        for batch in 0..sizes.0 {
            let matrix = T::matrix_product(left.index_axis(Axis(0), batch), right.index_axis(Axis(0), batch));
            product.index_axis_mut(Axis(0), batch).assign(&matrix);
        }
        product.into_shape_with_order(shape).expect("invariant: inference put the axes in this order")
    }
}

impl LinearMap for DotGeneral {
    /// ā = ȳ·bᵀ and b̄ = aᵀ·ȳ: the free axes of the other operand are contracted with those of ȳ, and the axes of the
    /// result are put in the order of the operand. For plain matrices there is nothing to reorder.
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (left, right) = (application.operands[0], application.operands[1]);
        let (rows, columns) = (self.left_free(left.rank()), self.right_free(right.rank()));
        let batch: Axes = (0..self.left_batch.len()).collect();
        let first_column = batch.len() + rows.len();
        let (dot, operands, order) = if operand == 0 {
            let dot = DotGeneral {
                left_contract: (first_column..cotangent.rank()).collect(),
                left_batch: batch,
                right_batch: self.right_batch.clone(),
                right_contract: columns,
            };
            let contracted = in_order_of(&self.left_contract, &self.right_contract);
            (dot, [cotangent, right], [self.left_batch.clone(), rows, contracted].concat())
        } else {
            let dot = DotGeneral {
                right_contract: (batch.len()..first_column).collect(),
                right_batch: batch,
                left_batch: self.left_batch.clone(),
                left_contract: rows,
            };
            let contracted = in_order_of(&self.right_contract, &self.left_contract);
            (dot, [left, cotangent], [self.right_batch.clone(), contracted, columns].concat())
        };
        cotangent.graph().apply(dot, &operands).permute(&inverse_permutation(&order))
    }
}

impl<'g> Expr<'g> {
    /// The sum of products that `axes` describes: batch axes go together, contracted axes are summed. Axes of the
    /// result: batch, this one's others, the other's others. [`Graph::einsum`](crate::Graph::einsum) says the same by
    /// letters.
    ///
    /// # Errors
    /// An error is recorded if axes are repeated or out of range, or if sizes differ that go together.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, graph::{Axes, DotGeneral}};
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", ("n", 3, 5)), g.input("y", (5, 4, "n")));
    /// let z = x.dot_general(y, DotGeneral {
    ///     left_batch: Axes::from([0]),
    ///     right_batch: Axes::from([2]),
    ///     left_contract: Axes::from([2]),
    ///     right_contract: Axes::from([0]),
    /// });
    /// assert_eq!(z.shape().to_string(), "[n, 3, 4]");
    /// ```
    #[doc(alias("tensordot", "contract"))]
    #[track_caller]
    pub fn dot_general(self, other: Expr<'g>, axes: DotGeneral) -> Expr<'g> {
        let _frame = self.enter("dot_general");
        self.graph().apply(axes, &[self, other])
    }
}
