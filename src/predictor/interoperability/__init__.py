"""What other systems of a hospital say about a patient, and what they are told: HL7 FHIR R4, CDS Hooks, SMART."""
