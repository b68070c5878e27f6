// Labelled fields of the form. Each calls `changed` with its value: text, a number, or null.

let fieldNumber = 0;

function labelled(words, control, unit = "") {
  fieldNumber += 1;
  control.id = `setup-field-${fieldNumber}`;
  const label = element("label", "", words);
  label.htmlFor = control.id;
  const line = element("span", "line", control);
  if (unit) line.append(element("span", "unit", unit));
  return element("div", "field", label, line);
}

function textField(words, value, changed) {
  const input = element("input");
  input.value = value ?? "";
  input.maxLength = 80;
  input.addEventListener("input", () => changed(input.value.trim() || null));
  return labelled(words, input);
}

function numberField(words, value, { unit = "", step = "any", min = 0, placeholder = "" }, changed) {
  const input = element("input");
  Object.assign(input, { type: "number", step, min, placeholder, inputMode: "decimal" });
  input.value = value ?? "";
  input.addEventListener("input", () => {
    if (!input.validity.badInput) changed(input.value === "" ? null : Number(input.value));
  });
  return labelled(words, input, unit);
}

function choiceField(words, options, value, changed) {
  const select = element("select");
  for (const [key, text] of options) {
    const option = element("option", "", text);
    option.value = key;
    option.selected = key === value;
    select.append(option);
  }
  select.addEventListener("change", () => changed(select.value));
  return labelled(words, select);
}

function checkField(words, value, changed) {
  const input = element("input");
  input.type = "checkbox";
  input.checked = value;
  input.addEventListener("change", () => changed(input.checked));
  const field = labelled(words, input);
  field.classList.add("check");
  return field;
}
