SELECT id AS ticket_id, customer_id, status, updated_at, 1 AS tickets
FROM cleansed.shop.tickets
WHERE _deleted_at IS NULL
