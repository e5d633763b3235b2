//! `ht`: hand tracking. The distances of points from a posed hand, and their Jacobian by the pose, and by where on its triangle each point
//! lies.
//!
//! A point's place on its triangle moves its own three errors alone, so two products with the same direction for all points give the part
//! of the Jacobian by places, two columns; the part by the pose is dense.

use pullback::{DType, Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    error::EvalError,
    prepared::{Inputs, table},
    timed::Timed,
};

/// Global rotation (3), global translation (3), four angles of each finger.
const N_POSE: usize = 26;
const N_FINGERS: usize = 5;
/// Bones of a finger; all but the last of them turn.
const N_FINGER_BONES: usize = 4;
/// The bone where the first finger begins.
const FIRST_FINGER: usize = 2;
/// A rotation by less is none.
const MIN_ANGLE: f64 = 1e-4;

#[derive(Debug, Deserialize)]
struct Input {
    theta: Vec<f64>,
    data: Data,
    us: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct Data {
    model: Model,
    correspondences: Vec<i64>,
    points: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct Model {
    parents: Vec<i64>,
    base_relatives: Vec<Vec<Vec<f64>>>,
    inverse_base_absolutes: Vec<Vec<Vec<f64>>>,
    base_positions: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
    triangles: Vec<Vec<i64>>,
    is_mirrored: bool,
}

/// What the Jacobian is by, and what of.
struct Errors<'g> {
    pose: Expr<'g>,
    /// Where on its triangle each point lies, where points lie on triangles and not at vertices.
    places: Option<Expr<'g>>,
    /// `[points, 3]`
    errors: Expr<'g>,
}

pub(crate) fn objective(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let errors = build(&g, &mut inputs, &serde_json::from_value(input)?)?.errors.flatten(0);
    Ok(inputs.compile([("errors", errors)], options)?.timed(|program| program.json("errors")))
}

pub(crate) fn jacobian(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let Errors { pose, places, errors } = build(&g, &mut inputs, &serde_json::from_value(input)?)?;
    let by_pose = g.jacobian(errors, pose);
    let jacobian = match places {
        None => by_pose,
        Some(places) => {
            let column = |direction: [f64; 2]| {
                let tangent = table(&g, &[2], &direction).broadcast_to(places.shape());
                g.jvp(errors, &[(places, tangent)]).unsqueeze(-1)
            };
            column([1.0, 0.0]).concat([column([0.0, 1.0]), by_pose], -1)
        }
    };
    let [rows, columns] = [errors.shape().size(), jacobian.shape()[2].clone()];
    Ok(inputs
        .compile([("jacobian", jacobian.reshape((rows, columns)))], options)?
        .timed(|program| program.json("jacobian")))
}

fn build<'g>(g: &'g Graph, inputs: &mut Inputs<'g>, input: &Input) -> Result<Errors<'g>, EvalError> {
    if input.theta.len() != N_POSE {
        return Err(EvalError::Length { name: "theta", expected: N_POSE, found: input.theta.len() });
    }
    let pose = inputs.vector("theta", &input.theta);
    let points = inputs.matrix("points", &input.data.points, 3)?;
    let vertices = vertices(g, inputs, pose, &input.data.model)?;
    if input.us.is_empty() {
        let correspondences = inputs.positions("correspondences", &input.data.correspondences);
        return Ok(Errors { pose, places: None, errors: points - vertices.gather(correspondences, 0) });
    }
    let places = inputs.matrix("us", &input.us, 2)?;
    let corners = corners(inputs, &input.data)?;
    let corner = |number: usize| vertices.gather(corners[number], 0);
    let share = |number: i64| places.slice((.., number)).unsqueeze(-1);
    let on_hand = share(0) * corner(0) + share(1) * corner(1) + (1.0 - share(0) - share(1)) * corner(2);
    Ok(Errors { pose, places: Some(places), errors: points - on_hand })
}

/// The vertices of the triangle on which each point lies.
fn corners<'g>(inputs: &mut Inputs<'g>, data: &Data) -> Result<[Expr<'g>; 3], EvalError> {
    let triangles = &data.model.triangles;
    if let Some(triangle) = triangles.iter().find(|triangle| triangle.len() != 3) {
        return Err(EvalError::Length { name: "triangles", expected: 3, found: triangle.len() });
    }
    let corners: Vec<i64> = triangles.iter().flatten().copied().collect();
    let all = inputs.array("triangles", &[triangles.len(), 3], &corners);
    let of_points = all.gather(inputs.positions("correspondences", &data.correspondences), 0);
    Ok([0, 1, 2].map(|corner| of_points.slice((.., corner))))
}

/// Where the pose moves the vertices, `[vertices, 3]`: each by the mean of the transforms of the bones, weighted.
fn vertices<'g>(g: &'g Graph, inputs: &mut Inputs<'g>, pose: Expr<'g>, model: &Model) -> Result<Expr<'g>, EvalError> {
    let n_bones = model.parents.len();
    let transforms = bone_transforms(g, inputs, pose, model)?;
    let base = inputs.matrix("base_positions", &model.base_positions, 4)?;
    let weights = inputs.matrix("weights", &model.weights, n_bones)?;
    // Everything is linear in the transforms, which are small: what the pose does is done to them, and one product of matrices takes all of
    // it to the vertices. So it is for the tangents of all elements of the pose together.
    let mut directions = transforms.slice((.., ..3)).transpose([0, 2, 1]);
    if model.is_mirrored {
        directions *= table(g, &[3], &[-1.0, 1.0, 1.0]);
    }
    let directions = directions.dot(global_rotation(g, pose.slice(..3)).t()).reshape((4 * n_bones, 3));
    let weighted = (weights.unsqueeze(-1) * base.unsqueeze(1)).reshape((model.weights.len(), 4 * n_bones));
    Ok(weighted.dot(directions) + pose.slice(3..6))
}

/// The transforms of the bones from where they rest, `[bones, 4, 4]`.
fn bone_transforms<'g>(
    g: &'g Graph,
    inputs: &mut Inputs<'g>,
    pose: Expr<'g>,
    model: &Model,
) -> Result<Expr<'g>, EvalError> {
    let n_bones = model.parents.len();
    let base = transforms(inputs, "base_relatives", &model.base_relatives, n_bones)?;
    let from_rest = transforms(inputs, "inverse_base_absolutes", &model.inverse_base_absolutes, n_bones)?;
    let relatives = base.dot(turns(g, pose, n_bones));
    let mut absolutes: Vec<Expr<'g>> = Vec::with_capacity(n_bones);
    for (bone, parent) in model.parents.iter().enumerate() {
        let relative = relatives.slice(bone as i64);
        absolutes.push(match usize::try_from(*parent) {
            // A parent comes before its children.
            Ok(parent) if parent < bone => absolutes[parent].dot(relative),
            Ok(parent) => return Err(EvalError::Size { name: "a parent", max: bone, found: parent }),
            // −1 stands for none.
            Err(_) => relative,
        });
    }
    Ok(absolutes[0].stack(absolutes[1..].iter().copied(), 0).dot(from_rest))
}

/// A transform of each bone.
fn transforms<'g>(
    inputs: &mut Inputs<'g>,
    name: &'static str,
    matrices: &[Vec<Vec<f64>>],
    n_bones: usize,
) -> Result<Expr<'g>, EvalError> {
    let elements: Vec<f64> = matrices.iter().flatten().flatten().copied().collect();
    if elements.len() != 16 * n_bones || n_bones == 0 {
        return Err(EvalError::Length { name, expected: 16 * n_bones, found: elements.len() });
    }
    Ok(inputs.array(name, &[n_bones, 4, 4], &elements))
}

/// How the pose turns each bone about its joint, `[bones, 4, 4]`: by the angles about x, then y, then z, R = Rz·Ry·Rx. None of the fingers
/// turns about y.
fn turns<'g>(g: &'g Graph, pose: Expr<'g>, n_bones: usize) -> Expr<'g> {
    // Where in the pose the angles are; behind it is a zero.
    let (mut about_x, mut about_z) = (vec![N_POSE as i64; n_bones], vec![N_POSE as i64; n_bones]);
    let mut next = 6;
    for finger in 0..N_FINGERS {
        let first = FIRST_FINGER + N_FINGER_BONES * finger;
        for bone in first..(first + N_FINGER_BONES - 1).min(n_bones) {
            about_x[bone] = next;
            next += 1;
            if bone == first {
                about_z[bone] = next;
                next += 1;
            }
        }
    }
    let angles = pose.pad([(0, 1)], 0.0);
    let angle = |positions: &[i64]| angles.gather(table(g, &[n_bones], positions), 0);
    let (x, z) = (angle(&about_x), angle(&about_z));
    let (cx, sx, cz, sz) = (x.cos(), x.sin(), z.cos(), z.sin());
    let (zero, one) = (x.zeros_like(), x.ones_like());
    let rows =
        [[cz, -sz * cx, sz * sx, zero], [sz, cz * cx, -cz * sx, zero], [zero, sx, cx, zero], [zero, zero, zero, one]];
    let elements = rows.as_flattened();
    elements[0].stack(elements[1..].iter().copied(), 1).reshape((n_bones, 4, 4))
}

/// The rotation about an axis, by as many radians as it is long: 1·cos θ + a·aᵀ·(1 − cos θ)/θ² + [a]×·(sin θ)/θ, by Stumpff functions of
/// θ².
fn global_rotation<'g>(g: &'g Graph, axis: Expr<'g>) -> Expr<'g> {
    let squared_angle = axis.square().sum();
    let [a, b, c] = [0, 1, 2].map(|position| axis.slice(position));
    let zero = a.zeros_like();
    let cross = zero.stack([-c, b, c, zero, -a, -b, a, zero], 0).reshape((3, 3));
    let identity = g.eye(3, DType::F64);
    let [cosine, sine, versine] = [0, 1, 2].map(|order: i64| squared_angle.stumpff(order));
    let rotation = identity * cosine + axis.outer(axis) * versine + cross * sine;
    squared_angle.less(MIN_ANGLE * MIN_ANGLE).select(identity, rotation)
}
