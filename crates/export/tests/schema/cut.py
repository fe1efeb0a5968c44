"""Cuts the published OCSF schema to what the tests need: python3 cut.py EXPORT.json > ocsf-1.8.0.json

EXPORT.json is https://schema.ocsf.io/1.8.0/export/v2/schema. Kept: the classes that Sightline's events are of,
whole in their attributes; the objects that these events use; every type. Dropped: descriptions and references.
"""
import json
import sys

CLASSES = """base_event detection_finding incident_finding data_security_finding account_change authentication
authorize_session entity_management user_access web_resources_activity application_lifecycle""".split()
OBJECTS = """actor analytic anomaly anomaly_analysis authorization baseline data_classification enrichment evidences
finding_info fingerprint group key_value_object managed_entity metadata object observable observation organization
policy product related_event resource_details service session ticket user web_resource""".split()


def cut(attribute):
    kept = ("type", "object_type", "is_array", "requirement", "profiles", "sibling")
    out = {name: attribute[name] for name in kept if attribute.get(name) is not None}
    if "enum" in attribute:
        out["enum"] = {number: value["caption"] for number, value in attribute["enum"].items()}
    return out


def shape(item):
    kept = ("uid", "caption", "constraints", "profiles")
    out = {name: item[name] for name in kept if item.get(name) is not None}
    out["attributes"] = {name: cut(attribute) for name, attribute in item["attributes"].items()}
    return out


schema = json.load(open(sys.argv[1]))
types = {
    name: {k: v for k, v in value.items() if k in ("type", "regex", "range", "max_len", "values")}
    for name, value in schema["dictionary"]["types"]["attributes"].items()
}
out = {
    "version": schema["version"],
    "types": types,
    "classes": {str(schema["classes"][name]["uid"]): shape(schema["classes"][name]) for name in CLASSES},
    "objects": {name: shape(schema["objects"][name]) for name in OBJECTS},
}
json.dump(out, sys.stdout, separators=(",", ":"), sort_keys=True)
print()
