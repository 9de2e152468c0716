//! Whether JSON from outside has the shape of a type, judged by the same schema that the API description shows.
//!
//! serde would say so too, but it repeats the values it did not like, names no path inside tagged enums, and ignores
//! fields that nobody knows. Here a misfit is told by its place and by what is wanted there, never by what came.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Where something does not fit, and what is wanted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Like `answer.pattern.text`; empty for the whole.
    pub(crate) field: String,
    pub(crate) why: String,
}

impl From<Misfit> for Problem {
    fn from(misfit: Misfit) -> Problem {
        Problem::malformed(&misfit.field, misfit.why)
    }
}

/// The schema of one type, with everything it refers to.
pub(crate) struct Shape {
    pub(crate) root: Value,
    definitions: Map<String, Value>,
}

/// How schemas are made, here and for the API description. All of them in the direction of reading: what a reader may
/// leave out is the wider of the two.
pub(crate) fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

const REFERENCE: &str = "#/components/schemas/";

/// Deeper than any type of ours nests; JSON itself is read to a depth of 128.
const DEEPEST: usize = 64;
/// The longest name of an unknown field that is repeated to whoever sent it.
const LONGEST_NAME: usize = 64;

impl Shape {
    /// The shape of a type, made once.
    pub(crate) fn of<T: JsonSchema + 'static>() -> Arc<Shape> {
        static KNOWN: OnceLock<RwLock<HashMap<TypeId, Arc<Shape>>>> = OnceLock::new();
        let known = KNOWN.get_or_init(RwLock::default);
        let id = TypeId::of::<T>();
        let found = known.read().expect("no holder panics").get(&id).map(Arc::clone);
        found.unwrap_or_else(|| {
            let mut generator = generator();
            let root = generator.subschema_for::<T>().to_value();
            let definitions = generator.take_definitions(true);
            let shape = Arc::new(Shape { root, definitions });
            let mut known = known.write().expect("no holder panics");
            known.entry(id).or_insert(shape).clone()
        })
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), Misfit> {
        self.fits(&self.root, value, &mut Vec::new())
    }

    /// Follows references.
    pub(crate) fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..DEEPEST {
            let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(REFERENCE));
            match name.and_then(|name| self.definitions.get(name)) {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    fn fits(&self, schema: &Value, value: &Value, path: &mut Vec<String>) -> Result<(), Misfit> {
        let schema = self.resolve(schema);
        let Some(schema) = schema.as_object() else {
            return match schema {
                Value::Bool(false) => Err(misfit(path, "nothing may stand here")),
                _ => Ok(()),
            };
        };
        if path.len() > DEEPEST {
            return Err(misfit(path, "this is nested too deeply"));
        }
        if let Some(wanted) = schema.get("const")
            && wanted != value
        {
            return Err(misfit(path, format!("{wanted} is wanted")));
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array)
            && !words.contains(value)
        {
            return Err(misfit(path, one_of(words.iter())));
        }
        for all in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.fits(all, value, path)?;
        }
        let options = schema.get("oneOf").or_else(|| schema.get("anyOf"));
        if let Some(options) = options.and_then(Value::as_array) {
            self.fits_one(options, value, path)?;
        }
        fits_type(schema, value, path)?;
        match value {
            Value::String(text) => fits_text(schema, text, path),
            Value::Number(number) => fits_number(schema, number, path),
            Value::Array(items) => self.fits_items(schema, items, path),
            Value::Object(fields) => self.fits_fields(schema, fields, path),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn fits_one(&self, options: &[Value], value: &Value, path: &mut Vec<String>) -> Result<(), Misfit> {
        let options: Vec<&Value> = options.iter().map(|option| self.resolve(option)).collect();
        let is_null = |option: &&Value| option.get("type") == Some(&Value::from("null"));
        if value.is_null() && options.iter().any(is_null) {
            return Ok(());
        }
        let real: Vec<&Value> = options.iter().copied().filter(|option| !is_null(option)).collect();
        if let [only] = real[..] {
            return self.fits(only, value, path);
        }
        if let Some(tag) = tag_of(&real) {
            let Some(fields) = value.as_object() else {
                return Err(misfit(path, "an object is wanted"));
            };
            let consts = real.iter().filter_map(|option| const_of(option, tag));
            path.push(tag.to_owned());
            let Some(given) = fields.get(tag) else {
                return Err(misfit(path, "it is missing"));
            };
            let chosen = real.iter().find(|option| const_of(option, tag) == Some(given));
            let chosen = chosen.ok_or_else(|| misfit(path, one_of(consts)))?;
            path.pop();
            return self.fits(chosen, value, path);
        }
        if real.iter().any(|option| self.fits(option, value, &mut path.clone()).is_ok()) {
            return Ok(());
        }
        let words = real.iter().filter_map(|option| option.get("const").or_else(|| option.get("enum")?.get(0)));
        match words.clone().count() == real.len() {
            true => Err(misfit(path, one_of(words))),
            false => Err(misfit(path, "none of the allowed forms fits")),
        }
    }

    fn fits_items(&self, schema: &Map<String, Value>, items: &[Value], path: &mut Vec<String>) -> Result<(), Misfit> {
        let Some(wanted) = schema.get("items") else {
            return Ok(());
        };
        items.iter().enumerate().try_for_each(|(at, item)| {
            path.push(at.to_string());
            self.fits(wanted, item, path)?;
            path.pop();
            Ok(())
        })
    }

    fn fits_fields(
        &self,
        schema: &Map<String, Value>,
        fields: &Map<String, Value>,
        path: &mut Vec<String>,
    ) -> Result<(), Misfit> {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str()
                && !fields.contains_key(name)
            {
                path.push(name.to_owned());
                return Err(misfit(path, "it is missing"));
            }
        }
        let Some(known) = schema.get("properties").and_then(Value::as_object) else {
            let Some(every) = schema.get("additionalProperties") else {
                return Ok(());
            };
            return fields.iter().try_for_each(|(name, value)| self.fits_field(every, name, value, path));
        };
        for (name, value) in fields {
            match known.get(name) {
                Some(wanted) => self.fits_field(wanted, name, value, path)?,
                None => {
                    path.push(name.clone());
                    return Err(misfit(path, "there is no such field"));
                }
            }
        }
        Ok(())
    }

    fn fits_field(&self, wanted: &Value, name: &str, value: &Value, path: &mut Vec<String>) -> Result<(), Misfit> {
        path.push(name.to_owned());
        self.fits(wanted, value, path)?;
        path.pop();
        Ok(())
    }
}

fn misfit(path: &[String], why: impl Into<String>) -> Misfit {
    let mut field = String::new();
    for name in path {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(&name[..name.floor_char_boundary(LONGEST_NAME)]);
    }
    Misfit { field, why: why.into() }
}

fn one_of<'a>(words: impl Iterator<Item = &'a Value>) -> String {
    let words: Vec<String> = words.map(Value::to_string).collect();
    format!("one of {} is wanted", words.join(", "))
}

fn const_of<'a>(option: &'a Value, tag: &str) -> Option<&'a Value> {
    option.get("properties")?.get(tag)?.get("const")
}

/// The field that tells the options apart, if each has a constant of its own there.
fn tag_of<'a>(options: &[&'a Value]) -> Option<&'a str> {
    let first = options.first()?.get("properties")?.as_object()?;
    first.keys().map(String::as_str).find(|tag| options.iter().all(|option| const_of(option, tag).is_some()))
}

fn fits_type(schema: &Map<String, Value>, value: &Value, path: &[String]) -> Result<(), Misfit> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let fits = |wanted: &&str| match *wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    if types.iter().any(fits) {
        return Ok(());
    }
    let wanted = types.iter().map(|wanted| match *wanted {
        "boolean" => "true or false",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "an object",
        other => other,
    });
    let wanted = wanted.collect::<Vec<_>>().join(" or ");
    Err(misfit(path, format!("{wanted} is wanted")))
}

fn fits_text(schema: &Map<String, Value>, text: &str, path: &[String]) -> Result<(), Misfit> {
    let bound = |name| schema.get(name).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    if let Some(least) = bound("minLength").filter(|least| length < *least) {
        return Err(misfit(path, format!("at least {least} characters are wanted")));
    }
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        return Err(misfit(path, format!("at most {most} characters fit")));
    }
    Ok(())
}

fn fits_number(schema: &Map<String, Value>, number: &serde_json::Number, path: &[String]) -> Result<(), Misfit> {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    let value = number.as_f64().unwrap_or(f64::INFINITY);
    let format = schema.get("format").and_then(Value::as_str);
    let (least, most) = match format {
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    };
    let least = bound("minimum").or(least);
    if let Some(least) = least.filter(|least| value < *least) {
        return Err(misfit(path, format!("a number from {least} on is wanted")));
    }
    let most = bound("maximum").or(most);
    if let Some(most) = most.filter(|most| value > *most) {
        return Err(misfit(path, format!("a number up to {most} is wanted")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_core::command::Command;
    use serde_json::json;

    fn misfit_of(value: Value) -> (String, String) {
        let misfit = Shape::of::<Command>().check(&value).unwrap_err();
        (misfit.field, misfit.why)
    }

    #[test]
    fn a_misfit_is_told_by_its_place_and_never_by_what_came() {
        let cases = [
            (json!(7), "", "an object is wanted"),
            (json!({}), "type", "it is missing"),
            (json!({"type": "prompt"}), "text", "it is missing"),
            (json!({"type": "prompt", "text": 7}), "text", "a text is wanted"),
            (
                json!({"type": "prompt", "text": "x", "ifBusy": "hunter2"}),
                "ifBusy",
                "one of \"refuse\", \"queue\", \"steer\", \"interrupt\" is wanted",
            ),
            (
                json!({"type": "prompt", "text": "x", "attachments": [{"id": "a"}]}),
                "attachments.0.mime",
                "it is missing",
            ),
            (
                json!({"type": "answer", "ask": "a", "answer": {"kind": "allow", "scope": "once", "for": 1}}),
                "answer.for",
                "there is no such field",
            ),
            (json!({"type": "edit", "item": "", "text": "x"}), "item", "at least 1 characters are wanted"),
            (json!({"type": "end", "reason": "x", "exitCode": 1e12}), "exitCode", "a whole number or null is wanted"),
            (
                json!({"type": "end", "reason": "x", "exitCode": 4_000_000_000_u64}),
                "exitCode",
                "a number up to 2147483647 is wanted",
            ),
        ];
        for (value, field, why) in cases {
            let text = value.to_string();
            assert_eq!(misfit_of(value), (field.to_owned(), why.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_fits_is_read_as_it_is() {
        for value in [
            json!({"type": "prompt", "text": "x", "reference": null}),
            json!({"type": "answer", "ask": "a", "answer": {"kind": "fill", "values": {"any": [1, {"thing": null}]}}}),
            json!({"type": "configure", "config": {"maxTurns": 3, "extra": {"other": {"a": 1}}}}),
            json!({"type": "release"}),
            json!({"type": "respond-takeover", "approve": true}),
        ] {
            Shape::of::<Command>().check(&value).unwrap();
            serde_json::from_value::<Command>(value).unwrap();
        }
    }
}
