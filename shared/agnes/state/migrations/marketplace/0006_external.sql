-- Whether plugins of other repositories are fetched and served as our own copy.
ALTER TABLE marketplace.registries ADD COLUMN allow_external BOOLEAN DEFAULT false;
