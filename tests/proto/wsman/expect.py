#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a second, independent reader sees in every recorded answer below a folder.

Prints, per file, the view of the message and its whole tree in the line format that
test_answers.c prints from our own reader; the test compares the two texts.
"""
import os
import sys
import xml.etree.ElementTree as ET

SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
ADDR = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
WSMAN = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
ENUM = "{http://schemas.xmlsoap.org/ws/2004/09/enumeration}"


def quote(text):
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x25 else "%%%02X" % b
                   for b in text.encode("utf-8"))


def local(element):
    return element.tag.split("}")[-1]


def text_of(element):
    return "" if element is None or len(element) else (element.text or "")


def stripped(element):
    return text_of(element).strip(" \t\r\n")


def selector(reference):
    """Text of the first selector of a reference, following references of references."""
    found = reference.find(".//" + WSMAN + "Selector")
    while found is not None and len(found):
        found = found.find(".//" + WSMAN + "Selector")
    return text_of(found) if found is not None else None


def flat(element):
    value = selector(element)
    if value is not None:
        return value
    leaves = [e for e in element.iter() if not len(e)]
    return text_of(leaves[0])


def tree(element, depth, out):
    attributes = "".join(" %s=%s" % (quote(k if k[0] == "{" else "{}" + k), quote(v))
                         for k, v in element.attrib.items())
    tag = element.tag if element.tag[0] == "{" else "{}" + element.tag
    out.append("E%d %s %s '%s'" % (depth, tag, attributes, quote(text_of(element))))
    for child in element:
        tree(child, depth + 1, out)


def describe(root):
    out = []
    head, body = root.find(SOAP + "Header"), root.find(SOAP + "Body")
    payload = body[0] if len(body) else None
    uri = stripped(head.find(WSMAN + "ResourceURI"))
    name = local(payload) if payload is not None else ""
    out.append("action " + quote(stripped(head.find(ADDR + "Action"))))
    out.append("relates " + quote(stripped(head.find(ADDR + "RelatesTo"))))
    out.append("class " + uri.rsplit("/", 1)[-1])
    for end in ("_INPUT", "_OUTPUT"):
        name = name[:-len(end)] if name.endswith(end) else name
    out.append("body " + name)
    fault = payload is not None and payload.tag == SOAP + "Fault"
    if fault:
        value = payload.find(SOAP + "Code/" + SOAP + "Subcode/" + SOAP + "Value").text
        reason = payload.find(SOAP + "Reason/" + SOAP + "Text").text
        out.append("fault %s '%s'" % (value.split(":")[-1], quote(reason)))
    values = [e for e in body.iter() if local(e) == "ReturnValue"]
    if values:
        out.append("return %d" % int(values[0].text))
    context = body.find(".//" + ENUM + "EnumerationContext")
    out.append("context " + quote(stripped(context)))
    out.append("end %d" % (body.find(".//" + ENUM + "EndOfSequence") is not None))
    items = [] if payload is None or fault else [payload]
    if payload is not None and payload.tag == ENUM + "PullResponse":
        items = list(payload.find(ENUM + "Items"))
    for item in items:
        out.append("item " + local(item))
        out.extend("value %s '%s'" % (local(e), quote(flat(e))) for e in item)
    tree(root, 0, out)
    return out


def main():
    top = sys.argv[1]
    names = sorted(os.path.relpath(os.path.join(folder, name), top)
                   for folder, _, files in os.walk(top) for name in files
                   if name.endswith(".xml"))
    for name in names:
        print("FILE " + name)
        try:
            root = ET.parse(os.path.join(top, name)).getroot()
        except ET.ParseError:
            print("refused")
            continue
        print("\n".join(describe(root)))


main()
