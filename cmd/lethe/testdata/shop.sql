-- Anna (1) and Anna's second row (2) of the shop bota; Bert (3), who shares a
-- telephone with nobody; the same address at another shop (4).
INSERT INTO accounts VALUES (1, 'Bota', 'bota.example', 'k1', 'CZ'), (2, 'Fahrrad', 'fahrrad.example', 'k2', 'DE'), (3, 'Tea', 'tea.example', 'k3', 'IE');
INSERT INTO agents VALUES (1, 1, 'Petra', 'petra@bota.example');
INSERT INTO contacts (id, account_id, created_at, updated_at, name, surname, email, phone) VALUES
    (1, 1, '2026-01-05', '2026-02-01', 'Anna', 'Ng', 'Anna@x.example', '+420601000001'),
    (2, 1, '2026-03-05', '2026-03-06', 'Jan', 'Ng', 'anna@x.example', NULL),
    (3, 1, '2026-04-05', '2026-04-06', 'Bert', 'Old', 'bert@x.example', '+420601000003'),
    (4, 2, '2026-05-05', '2026-05-06', 'Bert', 'Old', 'bert@x.example', NULL);
INSERT INTO visitors (id, account_id, contact_id, created_at, updated_at) VALUES
    ('va', 1, 1, '2026-01-05', '2026-02-01'), ('vb', 1, 3, '2026-04-05', '2026-04-06'), ('vc', 2, 4, '2026-05-05', '2026-05-06');
INSERT INTO visits (id, account_id, visitor_id, visited_at, page_url, ip) VALUES
    (1, 1, 'va', '2026-01-05', '/boots', NULL), (2, 1, 'vb', '2026-04-05', '/laces', NULL), (3, 1, 'vb', '2023-04-05', '/old', NULL),
    (4, 2, 'vc', '2026-05-05', '/wheels', NULL);
INSERT INTO identifiers (id, account_id, visitor_id, name, storage, value, issued_at, last_seen_at) VALUES
    (1, 1, 'va', 'ssupp.vid', 'cookie', 'va', '2020-01-05', '2026-02-01'),
    (2, 1, 'vb', 'ssupp.visits', 'cookie', '3', '2020-04-05', '2026-04-06'),
    (3, 1, 'vb', 'ssupp_k1', 'local_storage', 'x', '2020-04-05', '2026-04-06');
INSERT INTO consents (id, visitor_id, category, granted_at, withdrawn_at) VALUES (1, 'va', 'analytics', '2026-01-05', NULL), (2, 'vb', 'marketing', '2026-01-05', NULL);
INSERT INTO conversations (id, account_id, contact_id, visitor_id, status, created_at, updated_at, domain) VALUES
    ('co1', 1, 1, 'va', 'closed', '2026-01-05', '2026-01-06', 'bota.example'), ('co3', 1, 3, 'vb', 'closed', '2026-04-05', '2026-04-06', 'bota.example');
INSERT INTO messages (id, conversation_id, type, sub_type, agent_id, content_text, created_at) VALUES
    (1, 'co1', 'message', 'contact', NULL, 'Do you have boots?', '2026-01-05'), (2, 'co1', 'message', 'agent', 1, 'We do.', '2026-01-05'),
    (3, 'co3', 'message', 'contact', NULL, '=1+1', '2026-04-05');
ANALYZE;
